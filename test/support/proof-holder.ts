/**
 * Somebody who holds a key, the tokens that are bound to it, and makes DPoP proofs with it.
 */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, SignJWT } from 'jose';

export class ProofHolder {
  private constructor(
    readonly privateKey: KeyObject,
    readonly jwk: Record<string, unknown>,
    readonly thumbprint: string,
  ) {}

  static async create(): Promise<ProofHolder> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' });
    const thumbprint = await calculateJwkThumbprint({ ...jwk, kty: 'EC' });
    return new ProofHolder(privateKey, { ...jwk }, thumbprint);
  }

  /** An access token, signed with a shared secret; bound unless `claims` say otherwise. */
  token(
    secret: string,
    claims: Record<string, unknown> = { cnf: { jkt: this.thumbprint } },
  ): Promise<string> {
    return new SignJWT({ sub: 'ada', exp: nowSeconds() + 600, ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
  }

  /** A proof for GET of this URL, now, where `claims` and `header` do not say otherwise. */
  proof(
    token: string,
    url: string,
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
  ): Promise<string> {
    const ath = createHash('sha256').update(token).digest('base64url');
    const base = { jti: crypto.randomUUID(), htm: 'GET', htu: url, iat: nowSeconds() };
    return new SignJWT({ ...base, ath, ...claims })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.jwk, ...header })
      .sign(this.privateKey);
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
