/** Tokens with HMAC made by hand: the claims are what they are. */
import { createHmac } from 'node:crypto';
import { JWT_SECRET } from './configs.js';

export function signHs256(claims: unknown, secret: string = JWT_SECRET): string {
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
