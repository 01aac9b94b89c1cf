/**
 * Sessions of the token service, and ended sessions whose access tokens may still be in use.
 *
 * Thread: supervisor (on the main thread). Owns both lists. Their common size is bounded, so that
 * no stranger can make them grow, and no entry is forgotten before its time. Time is an argument.
 *
 * A valid refresh token with a number of the past (refresh-token.ts) has come twice: one of its two
 * bearers is a thief, and nobody can tell which.
 */
import { randomBytes } from 'node:crypto';
import type { Revocation } from '../../channel/identity-messages.js';

import { RefreshTokens } from './refresh-token.js';
import {
  type EndedSession,
  type OpenedSession,
  type RefreshOutcome,
  SESSIONS_PER_CONSUMER_MAX,
  type Session,
  type SessionRules,
  type Sessions,
  type SessionWish,
} from './sessions.js';

export class SessionTable implements Sessions {
  private readonly sessions = new Map<string, Session>();
  private readonly idsByConsumer = new Map<string, Set<string>>();
  /** Until when each session's revocation lasts, in order of time. */
  private readonly revoked = new Map<string, number>();
  private readonly tokens = new RefreshTokens(randomBytes(32));

  constructor(private readonly options: SessionRules) {}

  get size(): number {
    return this.sessions.size + this.revoked.size;
  }

  /** Ended sessions whose tokens must not be accepted. */
  revocations(nowSeconds: number): Revocation[] {
    this.purgeRevoked(nowSeconds);
    return [...this.revoked].map(([sessionId, until]) => ({ sessionId, until }));
  }

  /** Opens a session, and ends another one if that is needed; null: there is no room. */
  open(wish: SessionWish, nowSeconds: number): OpenedSession | null {
    const others = this.idsByConsumer.get(wish.consumer);
    const [oldest] = others ?? [];
    const mustEnd = oldest !== undefined && others?.size === SESSIONS_PER_CONSUMER_MAX;
    // One that ends leaves its revocation, which takes the same room.
    if (this.size >= this.options.capacity) this.purge(nowSeconds);
    if (this.size >= this.options.capacity) return null;
    const ended = mustEnd ? this.end(oldest, nowSeconds) : null;
    const session: Session = {
      id: randomBytes(16).toString('base64url'),
      ...wish,
      expiresAt: nowSeconds + this.options.sessionSeconds,
      refreshes: 0,
    };
    this.sessions.set(session.id, session);
    this.idsByConsumer.set(wish.consumer, (others ?? new Set()).add(session.id));
    return { session, ended: ended === null ? [] : [ended.revocation] };
  }

  /** The refresh token for the next refresh of the session. */
  refreshToken(session: Session): string {
    return this.tokens.make(session);
  }

  /** Uses up a refresh token. */
  refresh(token: string, nowSeconds: number): RefreshOutcome {
    const named = this.tokens.read(token);
    const session = this.sessions.get(named?.sessionId ?? '');
    if (named === null || session === undefined) return { kind: 'unknown' };
    if (nowSeconds >= session.expiresAt) {
      this.forget(session);
      return { kind: 'unknown' };
    }
    if (named.number !== session.refreshes) {
      return { kind: 'reused', revocation: this.endSession(session, nowSeconds) };
    }
    session.refreshes++;
    return { kind: 'session', session };
  }

  sessionIdOf(token: string): string | undefined {
    return this.tokens.read(token)?.sessionId;
  }

  /** Ends a session; null: it had ended already. */
  end(sessionId: string, nowSeconds: number): EndedSession | null {
    const session = this.sessions.get(sessionId);
    if (session === undefined) return null;
    return { revocation: this.endSession(session, nowSeconds), isKept: true };
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
}
