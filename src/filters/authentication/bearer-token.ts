/**
 * Bearer tokens (RFC 6750): where a request has one. `limits.headerBytes` bounds them.
 *
 * Thread: worker.
 */
import { hash } from 'node:crypto';
import { schemeValue } from './authenticator.js';

/** The token of `Bearer TOKEN` (the scheme in any case), or '' when there is none. */
export function bearerToken(authorization: string): string {
  return schemeValue(authorization, 'bearer ');
}

/** The token of `DPoP TOKEN` (RFC 9449 7.1; the scheme in any case), or '' when there is none. */
export function dpopToken(authorization: string): string {
  return schemeValue(authorization, 'dpop ');
}

/** The key under which results for a token are remembered; it does not reveal the token. */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'binary');
}
