/**
 * A login that a browser has begun and not finished, as its cookie holds it.
 *
 * Thread: worker. Nothing of it is kept in the gateway: however many logins strangers begin, they
 * take no memory. The cookie is bound to the state that comes back from the provider.
 */
import { createHash, randomBytes } from 'node:crypto';
import { PENDING_SECONDS } from './login-cookies.js';
import type { CookieSealer } from './sealed-cookie.js';

/** Longest path and query that are remembered; from longer ones the user comes back to the path. */
const RETURN_CHARS_MAX = 1024;

export interface PendingLogin {
  readonly state: string;
  readonly nonce: string;
  /** PKCE (RFC 7636): whoever has taken the code on its way cannot use it. */
  readonly verifier: string;
  readonly redirectUri: string;
  /** Path and query on this gateway. */
  readonly returnTo: string;
}

export function newLogin(redirectUri: string, wanted: string): PendingLogin {
  const [path = '/'] = wanted.split('?', 1);
  const shorter = path.length <= RETURN_CHARS_MAX ? path : '/';
  return {
    state: randomBytes(24).toString('base64url'),
    nonce: randomBytes(24).toString('base64url'),
    verifier: randomBytes(32).toString('base64url'),
    redirectUri,
    returnTo: wanted.length <= RETURN_CHARS_MAX ? wanted : shorter,
  };
}

/** The challenge of PKCE (S256). */
export function challengeOf({ verifier }: PendingLogin): string {
  return createHash('sha256').update(verifier).digest('base64url');
}

export function sealLogin(login: PendingLogin, sealer: CookieSealer, unixSeconds: number): string {
  const { nonce, verifier, redirectUri, returnTo, state } = login;
  const text = JSON.stringify([Math.floor(unixSeconds), nonce, verifier, redirectUri, returnTo]);
  return sealer.seal(text, purposeOf(state));
}

/** null: the cookie is none of this login's, or too old. */
export function openLogin(
  sealed: string,
  state: string,
  sealer: CookieSealer,
  unixSeconds: number,
): PendingLogin | null {
  const text = sealed === '' ? null : sealer.open(sealed, purposeOf(state));
  if (text === null) return null;
  const members = JSON.parse(text) as readonly (string | number)[];
  const [beganAt, nonce, verifier, redirectUri, returnTo] = members;
  if (typeof beganAt !== 'number' || unixSeconds > beganAt + PENDING_SECONDS) return null;
  return {
    state,
    nonce: String(nonce),
    verifier: String(verifier),
    redirectUri: String(redirectUri),
    returnTo: String(returnTo),
  };
}

function purposeOf(state: string): string {
  return `login ${state}`;
}
