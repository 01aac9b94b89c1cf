/**
 * Sessions of the token service in the store that gateways share.
 *
 * Thread: supervisor (on the main thread). Owns what this gateway knows of ended sessions, and the
 * ends that it could not write yet. A session is one sealed record; the refresh that is next is
 * changed by compare-and-set, so that of two gateways one gets it and the other sees a reuse.
 *
 * Invariants:
 * - A session that has ended leaves a record that says so, until its last access token is over. So
 *   an end is one write, and whatever was cut off behind it is done again by whoever reads it.
 * - What this gateway has ended is revoked here at once, with or without the store, and written as
 *   soon as the store is back; also into a store that has lost what it knew.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Revocation } from '../../channel/identity-messages.js';
import type { StoreValue } from '../../channel/store/store-messages.js';
import type { SealedRecord, SealedRecords } from '../shared/sealed-records.js';
import { StoreLostError, type StoreSupervisor } from '../store-supervisor.js';
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

/** One tag: counting needs both in one slot of a Redis Cluster. */
const AREA = '{tokens}';
/** Revocations that one command writes. */
const WRITTEN_AT_ONCE = 500;

/**
 * Takes a place for a session. Sessions and revocations together are bounded.
 *
 *     KEYS   sessions by their end, revocations by theirs    ARGV  now s, end s, id, bound, life ms
 *     reply  1, or 0: there is no room
 */
const ADMIT_SCRIPT = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
local size = redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2])
if size >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
`;

/**
 * Adds a session to those of its consumer, and takes the oldest beyond the bound.
 *
 *     KEYS[1]  sessions of the consumer by their end    ARGV  now s, end s, id, bound, life ms
 *     reply    ids that must end
 */
const OWN_SCRIPT = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local oldest = {}
while redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) do
  table.insert(oldest, redis.call('ZPOPMIN', KEYS[1])[1])
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return oldest
`;

/**
 * What is written of a session: itself, or until when its end must be known, and whose it was where
 * that is known.
 */
type Written =
  | { readonly kind: 'session'; readonly session: Session }
  | { readonly kind: 'ended'; readonly until: number; readonly consumer?: string };

export interface SharedSessionsParts {
  readonly rules: SessionRules;
  readonly store: StoreSupervisor;
  readonly records: SealedRecords;
  /** 32 bytes that all gateways have: of refresh tokens, and of names of consumers. */
  readonly key: Uint8Array;
}

export class SharedSessions implements Sessions {
  private readonly tokens: RefreshTokens;
  /** Until when the revocation of each ended session lasts. */
  private readonly revoked = new Map<string, number>();
  /** Of these, the ones that the store was not told of. */
  private readonly unwritten = new Map<string, number>();
  private readonly sessionsKey: string;
  private readonly revokedKey: string;

  constructor(private readonly parts: SharedSessionsParts) {
    this.tokens = new RefreshTokens(parts.key);
    this.sessionsKey = parts.store.keyOf(AREA, 'sessions');
    this.revokedKey = parts.store.keyOf(AREA, 'revoked');
  }

  async open(wish: SessionWish, nowSeconds: number): Promise<OpenedSession | null> {
    const { rules, store } = this.parts;
    const id = randomBytes(16).toString('base64url');
    const expiresAt = nowSeconds + rules.sessionSeconds;
    const lifeMs = Math.ceil(rules.sessionSeconds * 1000);
    const values = [nowSeconds, expiresAt, id];
    const keys = [this.sessionsKey, this.revokedKey];
    const admitted = ['EVAL', ADMIT_SCRIPT, 2, ...keys, ...values, rules.capacity, lifeMs];
    if ((await store.run(admitted)) !== 1) return null;
    const session: Session = { id, ...wish, expiresAt, refreshes: 0 };
    await this.parts.records.set(id, textOf({ kind: 'session', session }), lifeMs);
    const own = this.ownKey(wish.consumer);
    const owned = ['EVAL', OWN_SCRIPT, 1, own, ...values, SESSIONS_PER_CONSUMER_MAX, lifeMs];
    const ended: Revocation[] = [];
    for (const other of textsOf(await store.run(owned))) {
      const end = await this.end(other, nowSeconds);
      if (end !== null) ended.push(end.revocation);
    }
    return { session, ended };
  }

  refreshToken(session: Session): string {
    return this.tokens.make(session);
  }

  async refresh(token: string, nowSeconds: number): Promise<RefreshOutcome> {
    const named = this.tokens.read(token);
    if (named === null || this.revoked.has(named.sessionId)) return { kind: 'unknown' };
    const record = await this.parts.records.get(named.sessionId);
    const written = readWritten(record);
    if (record === null || written === null) return { kind: 'unknown' };
    if (written.kind === 'ended') {
      // Whoever has written that may not have come further.
      return {
        kind: 'reused',
        revocation: this.revoke(named.sessionId, written.until, nowSeconds),
      };
    }
    const { session } = written;
    if (nowSeconds >= session.expiresAt) return { kind: 'unknown' };
    if (named.number !== session.refreshes) return this.onReused(session, nowSeconds);
    const next = { ...session, refreshes: session.refreshes + 1 };
    const isTaken = await this.parts.records.compareAndSet(
      session.id,
      record.version,
      textOf({ kind: 'session', session: next }),
      (session.expiresAt - nowSeconds) * 1000,
    );
    // Somebody has used it in the same moment.
    if (isTaken === undefined) return this.onReused(session, nowSeconds);
    return { kind: 'session', session: next };
  }

  sessionIdOf(token: string): string | undefined {
    return this.tokens.read(token)?.sessionId;
  }

  /**
   * The id must be of a session that this service has made: ends of others would fill the store.
   */
  async end(sessionId: string, nowSeconds: number): Promise<EndedSession | null> {
    const { accessTokenSeconds, skewSeconds } = this.parts.rules;
    const known = this.revoked.get(sessionId);
    if (known !== undefined && !this.unwritten.has(sessionId)) return null;
    const until = known ?? Math.ceil(nowSeconds) + accessTokenSeconds + skewSeconds;
    const revocation = this.revoke(sessionId, until, nowSeconds);
    this.unwritten.set(sessionId, until);
    return { revocation, isKept: await this.write(sessionId, until, nowSeconds) };
  }

  revocations(nowSeconds: number): Revocation[] {
    for (const [id, until] of this.revoked) if (until <= nowSeconds) this.revoked.delete(id);
    const all = [...this.revoked].map(([sessionId, until]) => ({ sessionId, until }));
    return all.sort((a, b) => a.until - b.until);
  }

  /** Another gateway has ended a session. Drops those whose time is over. */
  revoke(sessionId: string, until: number, nowSeconds: number): Revocation {
    for (const [id, end] of this.revoked) {
      // Those that follow were told later, and last longer but for a difference of clocks.
      if (end > nowSeconds) break;
      this.revoked.delete(id);
    }
    // At the end, also where it was known with an earlier time.
    this.revoked.delete(sessionId);
    this.revoked.set(sessionId, until);
    return { sessionId, until };
  }

  /**
   * Brings this gateway and the store to the same. `isContinuous`: nothing was missed, and the
   * store is as it was.
   */
  async unite(nowSeconds: number, isContinuous: boolean): Promise<void> {
    for (const [id, until] of [...this.unwritten]) {
      if (until <= nowSeconds) this.unwritten.delete(id);
      else await this.write(id, until, nowSeconds);
    }
    if (isContinuous) return;
    const { store } = this.parts;
    const range = ['ZRANGEBYSCORE', this.revokedKey, `(${nowSeconds}`, '+inf', 'WITHSCORES'];
    const found = textsOf(await store.run(range));
    const inStore = new Set<string>();
    for (let at = 0; at + 1 < found.length; at += 2) {
      inStore.add(found[at] ?? '');
      this.revoke(found[at] ?? '', Number(found[at + 1]), nowSeconds);
    }
    const missing = this.revocations(nowSeconds).filter((one) => !inStore.has(one.sessionId));
    for (let at = 0; at < missing.length; at += WRITTEN_AT_ONCE) {
      await this.writeAgain(missing.slice(at, at + WRITTEN_AT_ONCE), nowSeconds);
    }
  }

  /** The session itself may be in the store again as it was before its end. */
  private async writeAgain(ends: readonly Revocation[], nowSeconds: number): Promise<void> {
    const { records, store } = this.parts;
    const written = ends.map(({ sessionId, until }) =>
      records.set(sessionId, textOf({ kind: 'ended', until }), (until - nowSeconds) * 1000),
    );
    await Promise.all(written);
    const pairs = ends.flatMap(({ sessionId, until }) => [until, sessionId]);
    // At the end: what is cut off before is found missing once more.
    await store.run(['ZREM', this.sessionsKey, ...ends.map(({ sessionId }) => sessionId)]);
    await store.run(['ZADD', this.revokedKey, ...pairs]);
  }

  private async onReused(session: Session, nowSeconds: number): Promise<RefreshOutcome> {
    const ended = await this.end(session.id, nowSeconds);
    if (ended === null) return { kind: 'unknown' };
    return { kind: 'reused', revocation: ended.revocation };
  }

  /** False: the store does not answer. */
  private async write(id: string, until: number, nowSeconds: number): Promise<boolean> {
    const { records, store } = this.parts;
    try {
      const before = readWritten(await records.get(id));
      const { consumer } = (before?.kind === 'session' ? before.session : before) ?? {};
      const ended = textOf({ kind: 'ended', until, ...(consumer !== undefined && { consumer }) });
      await records.set(id, ended, (until - nowSeconds) * 1000);
      await store.run(['ZADD', this.revokedKey, until, id]);
      await store.run(['ZREM', this.sessionsKey, id]);
      if (consumer !== undefined) await store.run(['ZREM', this.ownKey(consumer), id]);
      this.unwritten.delete(id);
      return true;
    } catch (error) {
      if (error instanceof StoreLostError) return false;
      throw error;
    }
  }

  /** The store does not say who has sessions. */
  private ownKey(consumer: string): string {
    const name = createHmac('sha256', this.parts.key).update(`consumer ${consumer}`).digest('hex');
    return this.parts.store.keyOf('sessions-of', name.slice(0, 32));
  }
}

function textOf(written: Written): string {
  return JSON.stringify(written);
}

/** It was sealed by a gateway, so that it has the right form. */
function readWritten(record: SealedRecord | null): Written | null {
  return record === null ? null : (JSON.parse(record.value) as Written);
}

function textsOf(reply: StoreValue): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}
