/**
 * Bearer tokens (RFC 6750): where a request has one. `limits.headerBytes` bounds them.
 *
 * Thread: worker.
 */
import { hash } from 'node:crypto';
import { type DigestMemory, schemeValue } from './authenticator.js';

/** The token of `Bearer TOKEN` (the scheme in any case), or '' when there is none. */
export function bearerToken(authorization: string): string {
  return schemeValue(authorization, 'bearer ');
}

/** The token of `DPoP TOKEN` (RFC 9449 7.1; the scheme in any case), or '' when there is none. */
export function dpopToken(authorization: string): string {
  return schemeValue(authorization, 'dpop ');
}

/**
 * The key under which results for a token are remembered; it does not reveal the token. A digest
 * says nothing of the token's worth: whoever gets one checks that for each request. `memory`: of
 * the head that the token stands in; null or absent: it has none.
 */
export function tokenDigest(token: string, memory: DigestMemory | null = null): string {
  if (memory === null) return hash('sha256', token, 'binary');
  let { tokenDigest: known } = memory;
  if (known === null || known.token !== token) {
    known = { token, digest: hash('sha256', token, 'binary') };
    memory.tokenDigest = known;
  }
  return known.digest;
}
