/**
 * What the token service needs of whoever keeps its sessions: memory, or a store.
 *
 * Thread: supervisor (on the main thread). Types, and bounds that both keep. Time is an argument,
 * in seconds since 1970.
 */
import type { Revocation } from '../../channel/identity-messages.js';

/** A consumer with more sessions loses the oldest: one caller must not fill the table. */
export const SESSIONS_PER_CONSUMER_MAX = 32;

export interface Session {
  readonly id: string;
  readonly consumer: string;
  readonly scope: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** Refresh tokens that were handed out. */
  refreshes: number;
}

export type SessionWish = Pick<Session, 'consumer' | 'scope' | 'claims'>;

export interface SessionRules {
  readonly capacity: number;
  readonly accessTokenSeconds: number;
  readonly sessionSeconds: number;
  /** How far behind the clock of a verifier may be. */
  readonly skewSeconds: number;
}

export interface OpenedSession {
  readonly session: Session;
  /** Sessions of the same consumer that had to end for it. */
  readonly ended: readonly Revocation[];
}

export interface EndedSession {
  readonly revocation: Revocation;
  /** False: it is known to this gateway only, since the store is lost. */
  readonly isKept: boolean;
}

/** The result of using a refresh token. */
export type RefreshOutcome =
  | { readonly kind: 'session'; readonly session: Session }
  | { readonly kind: 'unknown' }
  /** The token came twice, so the session has ended. */
  | { readonly kind: 'reused'; readonly revocation: Revocation };

type Awaitable<T> = T | Promise<T>;

/** Reject with a StoreLostError where a store is needed that does not answer. */
export interface Sessions {
  /** Opens a session, and ends others if that is needed; null: there is no room. */
  open(wish: SessionWish, nowSeconds: number): Awaitable<OpenedSession | null>;
  /** The refresh token for the next refresh of the session. */
  refreshToken(session: Session): string;
  /** Uses up a refresh token. */
  refresh(token: string, nowSeconds: number): Awaitable<RefreshOutcome>;
  /** The session of a refresh token that this service has made, used up or not. */
  sessionIdOf(token: string): string | undefined;
  /** Ends a session; null: there is none, or it had ended already. */
  end(sessionId: string, nowSeconds: number): Awaitable<EndedSession | null>;
  /** Ended sessions whose tokens must not be accepted, as far as they are known here. */
  revocations(nowSeconds: number): Revocation[];
}
