/**
 * A session as its cookie holds it, and the times by which it ends.
 *
 * Thread: any (pure).
 */
import type { LoginEnd, LoginSession } from '../../../base/login.js';
import type { Claims } from '../authenticator.js';
import { parseStrictObject } from '../strict-json.js';
import type { CookieSealer } from './sealed-cookie.js';

const SESSION_PURPOSE = 'session';
const STORED_PURPOSE = 'session in the store';
/** 18 random bytes in base64url. */
const ID_TEXT = /^[A-Za-z0-9_-]{24}$/;

/** Seals a session for its cookie. */
export function sealSession(session: LoginSession, sealer: CookieSealer): string {
  const { id, generation, idToken, accessToken, refreshToken } = session;
  const { refreshAt, tokenEndsAt, beganAt, seenAt, endsAt } = session;
  const members = [id, generation, idToken, accessToken, refreshToken];
  return sealer.seal(
    JSON.stringify([...members, refreshAt, tokenEndsAt, beganAt, seenAt, endsAt]),
    SESSION_PURPOSE,
  );
}

/** null: it is none of this login's. */
export function openSession(sealed: string, sealer: CookieSealer): LoginSession | null {
  const text = sealer.open(sealed, SESSION_PURPOSE);
  if (text === null) return null;
  // The gateway itself has written it; another version of the gateway may have.
  const members = JSON.parse(text) as readonly (string | number)[];
  const [id, generation, idToken, accessToken, refreshToken, ...times] = members;
  const [refreshAt, tokenEndsAt, beganAt, seenAt, endsAt] = times;
  const texts = [id, idToken, accessToken, refreshToken];
  const numbers = [generation, refreshAt, tokenEndsAt, beganAt, seenAt, endsAt];
  if (texts.some((one) => typeof one !== 'string')) return null;
  if (numbers.some((one) => typeof one !== 'number')) return null;
  return {
    id: String(id),
    generation: Number(generation),
    idToken: String(idToken),
    accessToken: String(accessToken),
    refreshToken: String(refreshToken),
    refreshAt: Number(refreshAt),
    tokenEndsAt: Number(tokenEndsAt),
    beganAt: Number(beganAt),
    seenAt: Number(seenAt),
    endsAt: Number(endsAt),
  };
}

/**
 * Seals the name of a session in the store for its cookie: who invents one, or takes one of another
 * login, makes nobody ask the store.
 */
export function sealSessionId(id: string, sealer: CookieSealer): string {
  return sealer.seal(id, STORED_PURPOSE);
}

/** null: it is none of this login's. */
export function openSessionId(sealed: string, sealer: CookieSealer): string | null {
  const id = sealer.open(sealed, STORED_PURPOSE);
  return id !== null && ID_TEXT.test(id) ? id : null;
}

/** Whether its time is over. */
export function isOver(session: LoginSession, idleMs: number, unixSeconds: number): boolean {
  return unixSeconds >= session.endsAt || unixSeconds >= session.seenAt + idleMs / 1000;
}

/** The claims of a token that was verified before; undefined: it is none. */
export function claimsIn(token: string): Claims | undefined {
  const [, payload = ''] = token.split('.', 3);
  return parseStrictObject(Buffer.from(payload, 'base64url'));
}

/** Whether one of these ends is the session's. */
export function isEndOf(
  { by, value, beganBy }: LoginEnd,
  { id, beganAt }: LoginSession,
  claims: Claims,
): boolean {
  if (beganAt > beganBy) return false;
  return by === 'id' ? id === value : claims[by] === value;
}
