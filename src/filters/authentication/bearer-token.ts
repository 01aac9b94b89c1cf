/**
 * Bearer tokens (RFC 6750): where a request has one, and which are refused unread.
 *
 * Thread: worker.
 */
import { hash } from 'node:crypto';
import { ABSENT, type AuthenticationResult, refused, schemeValue } from './authenticator.js';

/** A longer token is refused: nobody issues one, and each byte costs time. */
const TOKEN_CHARS_MAX = 4096;

const TOO_LONG = refused('the token is too long');

/** The token of `Bearer TOKEN` (the scheme in any case), or '' when there is none. */
export function bearerToken(authorization: string): string {
  return schemeValue(authorization, 'bearer ');
}

/** The result for a token that need not be read; null: read it. */
export function unreadableToken(token: string): AuthenticationResult | null {
  if (token === '') return ABSENT;
  return token.length > TOKEN_CHARS_MAX ? TOO_LONG : null;
}

/** The key under which results for a token are remembered; it does not reveal the token. */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'binary');
}
