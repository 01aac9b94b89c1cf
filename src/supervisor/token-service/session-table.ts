/**
 * Sessions of the token service, and ended sessions whose access tokens may still be in use.
 *
 * Thread: supervisor (on the main thread). Owns both lists. Their common size is bounded, so that
 * no stranger can make them grow, and no entry is forgotten before its time. Time is an argument.
 *
 * A refresh token is SESSION.NUMBER.MAC: NUMBER says for which refresh of which session it is
 * valid, and only this service can make the MAC. A valid token with a number of the past has come
 * twice: one of its two bearers is a thief, and nobody can tell which.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Revocation } from '../../channel/identity-messages.js';

/** A consumer with more sessions loses the oldest: one caller must not fill the table. */
const SESSIONS_PER_CONSUMER_MAX = 32;

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

export interface SessionTableOptions {
  readonly capacity: number;
  readonly accessTokenSeconds: number;
  readonly sessionSeconds: number;
  /** How far behind the clock of a verifier may be. */
  readonly skewSeconds: number;
}

/** The result of using a refresh token. */
export type RefreshOutcome =
  | { readonly kind: 'session'; readonly session: Session }
  | { readonly kind: 'unknown' }
  /** The token came twice, so the session has ended. */
  | { readonly kind: 'reused'; readonly revocation: Revocation };

export class SessionTable {
  private readonly sessions = new Map<string, Session>();
  private readonly idsByConsumer = new Map<string, Set<string>>();
  /** Until when each session's revocation lasts, in order of time. */
  private readonly revoked = new Map<string, number>();
  private readonly secret = randomBytes(32);

  constructor(private readonly options: SessionTableOptions) {}

  get size(): number {
    return this.sessions.size + this.revoked.size;
  }

  /** Ended sessions whose tokens must not be accepted. */
  revocations(nowSeconds: number): Revocation[] {
    this.purgeRevoked(nowSeconds);
    return [...this.revoked].map(([sessionId, until]) => ({ sessionId, until }));
  }

  /** Opens a session, and ends another one if that is needed; null: there is no room. */
  open(
    wish: Pick<Session, 'consumer' | 'scope' | 'claims'>,
    nowSeconds: number,
  ): { readonly session: Session; readonly ended: Revocation | null } | null {
    const others = this.idsByConsumer.get(wish.consumer);
    const [oldest] = others ?? [];
    const mustEnd = oldest !== undefined && others?.size === SESSIONS_PER_CONSUMER_MAX;
    const ended = mustEnd ? this.end(oldest, nowSeconds) : null;
    if (this.size >= this.options.capacity) this.purge(nowSeconds);
    if (this.size >= this.options.capacity) return null;
    const session: Session = {
      id: randomBytes(16).toString('base64url'),
      ...wish,
      expiresAt: nowSeconds + this.options.sessionSeconds,
      refreshes: 0,
    };
    this.sessions.set(session.id, session);
    this.idsByConsumer.set(wish.consumer, (others ?? new Set()).add(session.id));
    return { session, ended };
  }

  /** The refresh token for the next refresh of the session. */
  refreshToken(session: Session): string {
    return `${session.id}.${session.refreshes}.${this.mac(session.id, session.refreshes)}`;
  }

  /** Uses up a refresh token. */
  refresh(token: string, nowSeconds: number): RefreshOutcome {
    const session = this.sessionOf(token);
    if (session === undefined) return { kind: 'unknown' };
    if (nowSeconds >= session.expiresAt) {
      this.forget(session);
      return { kind: 'unknown' };
    }
    if (numberOf(token) !== session.refreshes) {
      return { kind: 'reused', revocation: this.endSession(session, nowSeconds) };
    }
    session.refreshes++;
    return { kind: 'session', session };
  }

  /** The session of a refresh token that this service has made, used up or not. */
  sessionOf(token: string): Session | undefined {
    const [id = '', number = '', mac = '', more] = token.split('.');
    if (more !== undefined || !/^(?:0|[1-9]\d{0,8})$/.test(number)) return undefined;
    const right = Buffer.from(this.mac(id, Number(number)));
    const given = Buffer.from(mac);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    return this.sessions.get(id);
  }

  /** Ends a session; null: it had ended already. */
  end(sessionId: string, nowSeconds: number): Revocation | null {
    const session = this.sessions.get(sessionId);
    return session === undefined ? null : this.endSession(session, nowSeconds);
  }

  private endSession(session: Session, nowSeconds: number): Revocation {
    this.forget(session);
    const { accessTokenSeconds, skewSeconds } = this.options;
    const until = Math.ceil(nowSeconds) + accessTokenSeconds + skewSeconds;
    this.revoked.set(session.id, until);
    return { sessionId: session.id, until };
  }

  private forget({ id, consumer }: Session): void {
    this.sessions.delete(id);
    const ids = this.idsByConsumer.get(consumer);
    ids?.delete(id);
    if (ids?.size === 0) this.idsByConsumer.delete(consumer);
  }

  /** Reads every session, so it is called only when there is no room. */
  private purge(nowSeconds: number): void {
    this.purgeRevoked(nowSeconds);
    for (const session of this.sessions.values()) {
      // All sessions live equally long, so the ones that follow end later.
      if (session.expiresAt > nowSeconds) break;
      this.forget(session);
    }
  }

  private purgeRevoked(nowSeconds: number): void {
    for (const [id, until] of this.revoked) {
      if (until > nowSeconds) break;
      this.revoked.delete(id);
    }
  }

  private mac(id: string, number: number): string {
    return createHmac('sha256', this.secret).update(`${id}.${number}`).digest('base64url');
  }
}

function numberOf(token: string): number {
  return Number(token.split('.')[1]);
}
