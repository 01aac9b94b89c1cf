/**
 * API keys that are made, rotated and taken back while the gateway runs.
 *
 * Thread: supervisor (on the main thread). Owns what this gateway knows of them, and the changes
 * that other gateways could not be told.
 *
 * Invariants:
 * - A key is shown once, to whoever has made it; only its hash is kept.
 * - A change is kept before it is in effect, and in effect in all workers before it is answered.
 *   The answer names the gateways that have not acknowledged it.
 * - A key that has expired is in no list, and a little later it is kept nowhere; nothing makes it
 *   good again.
 * - A gateway that has not heard of the others for STALE_MS_MAX knows no key: a key that was taken
 *   back is good there for no longer than that.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock, Timer } from '../../base/clock.js';
import type { ManagedKey } from '../../base/managed-key.js';
import type { ApiKeysNotice } from '../../channel/identity-messages.js';
import type { Announcements } from '../announcements.js';
import type { SharedEvents, TopicListener } from '../shared/shared-events.js';
import { StoreLostError } from '../store-supervisor.js';
import type { KeptKey, KeyStorage } from './key-storage.js';

const TOPIC = 'apiKeys';
const RETRY_MS = 250;
/** How long keys are known without the store. */
const STALE_MS_MAX = 3_600_000;
/** How often keys that have expired are taken away. */
const SWEEP_MS = 60_000;
/** For how long they stay: in a gateway whose clock is late they are good until then. */
const EXPIRED_KEPT_MS = 60_000;
const ID_BYTES = 8;
const SECRET_BYTES = 32;
/** Of one key, with those whose grace is not over. */
const SECRETS_MAX = 8;

export interface KeyWish {
  readonly authenticator: string;
  readonly consumer: string;
  readonly scopes: readonly string[];
  /** null: it does not end by itself. */
  readonly lifeMs: number | null;
}

/** Who knows of a change. */
export interface KeySpread {
  readonly acknowledged: readonly string[];
  readonly missing: readonly string[];
  /** Why nobody could be told; '': they were. */
  readonly trouble: string;
}

export type KeyOutcome =
  | {
      readonly kind: 'done';
      readonly key: ManagedKey;
      /** The key itself; '': there is no new one. */
      readonly secret: string;
      readonly spread: KeySpread;
    }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'full' }
  /** Another gateway has changed it in the same moment. */
  | { readonly kind: 'changed' }
  /** Nothing is kept for sure: the store does not answer. */
  | { readonly kind: 'lost'; readonly reason: string };

export interface ApiKeysParts {
  readonly storage: KeyStorage;
  /** null: nobody shares the keys. */
  readonly events: SharedEvents | null;
  readonly announcements: Announcements;
  /** Sends a notice to every worker, and returns the number of workers. */
  broadcast(notice: ApiKeysNotice): number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Changes that are remembered in case that the store loses them. */
const REMEMBERED_MAX = 10_000;

const ALONE: KeySpread = { acknowledged: [], missing: [], trouble: '' };

export class ApiKeys implements TopicListener {
  private keys = new Map<string, ManagedKey>();
  private isKnown = false;
  private readonly untold = new Set<string>();
  /** Keys that were taken back. Ids are random: none of them is ever good again. */
  private readonly takenBack = new Map<string, true>();
  /** Keys as this gateway has changed them, by id, with the version before. */
  private readonly changed = new Map<
    string,
    { readonly before: string; readonly key: ManagedKey }
  >();
  private mustRead = false;
  /** The last reading of all keys: one is under way at a time. It has not failed. */
  private reading: Promise<void> = Promise.resolve();
  /** While all keys are read: what has changed meanwhile; null: taken away. */
  private meanwhile: Map<string, ManagedKey | null> | null = null;
  private retry: Timer | null = null;
  private stale: Timer | null = null;
  private sweeper: Timer | null = null;
  private isStopped = false;

  constructor(private readonly parts: ApiKeysParts) {}

  /** Of a file and of memory: resolves when the keys are known. */
  async start(): Promise<void> {
    const { clock, events, storage, logger } = this.parts;
    this.sweeper = clock.every(SWEEP_MS, () => this.sweep());
    if (events !== null) {
      events.subscribe(TOPIC, this);
      return;
    }
    await this.readAll();
    if (storage.kind === 'memory') {
      logger.warn('API keys that are made at run time are kept in memory: a restart ends them');
    }
  }

  stop(): void {
    this.isStopped = true;
    this.retry?.cancel();
    this.stale?.cancel();
    this.sweeper?.cancel();
  }

  /** Where keys are kept, and whether they are known. */
  get state(): { readonly kept: KeyStorage['kind']; readonly isKnown: boolean } {
    return { kept: this.parts.storage.kind, isKnown: this.isKnown };
  }

  /** Those that have not expired, by age. */
  list(): readonly ManagedKey[] {
    const nowMs = this.parts.clock.unixMs();
    const valid = [...this.keys.values()].filter((key) => !hasExpired(key, nowMs));
    return valid.sort((a, b) => a.createdMs - b.createdMs);
  }

  /** What a new worker starts with. */
  get notice(): ApiKeysNotice {
    const { isKnown, keys } = this;
    return {
      type: 'apiKeys',
      serial: 0,
      isWhole: true,
      isKnown,
      keys: [...keys.values()],
      removed: [],
    };
  }

  create({ authenticator, consumer, scopes, lifeMs }: KeyWish): Promise<KeyOutcome> {
    const id = randomBytes(ID_BYTES).toString('hex');
    const createdMs = this.parts.clock.unixMs();
    const expiresMs = lifeMs === null ? null : createdMs + lifeMs;
    const { secret, sha256 } = newSecret(id);
    const secrets = [{ sha256, untilMs: null }];
    const key = { id, authenticator, consumer, scopes, createdMs, expiresMs, secrets };
    return this.change(id, (kept) => (kept === null ? key : null), secret);
  }

  /**
   * `graceMs`: how long the secret before stays good. Those before that one stay as long as was
   * said of them, or end with it at once (0): whoever rotates again, since the reply was lost, does
   * not end the secret that callers still have.
   */
  rotate(id: string, graceMs: number): Promise<KeyOutcome> {
    const { secret, sha256 } = newSecret(id);
    const nowMs = this.parts.clock.unixMs();
    const untilMs = nowMs + graceMs;
    const rotated = (kept: ManagedKey | null): ManagedKey | null => {
      const [last, ...older] = kept?.secrets ?? [];
      if (kept === null || last === undefined || hasExpired(kept, nowMs)) return null;
      const still = older.filter((one) => one.untilMs === null || one.untilMs > nowMs);
      const before = graceMs > 0 ? [{ sha256: last.sha256, untilMs }, ...still] : [];
      const secrets = [{ sha256, untilMs: null }, ...before].slice(0, SECRETS_MAX);
      return { ...kept, secrets };
    };
    return this.change(id, rotated, secret);
  }

  async revoke(id: string): Promise<KeyOutcome> {
    const { storage } = this.parts;
    try {
      const kept = await storage.read(id);
      if (kept === null) return { kind: 'unknown' };
      const outcome = await storage.write(id, kept.version, null);
      if (outcome !== 'written') return { kind: 'changed' };
      return { kind: 'done', key: kept.key, secret: '', spread: await this.spread(id, null) };
    } catch (error) {
      return lostOr(error);
    }
  }

  /** Another gateway has changed this key. */
  async onEvent(id: string): Promise<string> {
    try {
      const kept = await this.parts.storage.read(id);
      await this.take(id, kept?.key ?? null);
      return '';
    } catch (error) {
      // Events may come before commands go again: nothing of them is lost.
      this.mustRead = true;
      this.later();
      throw error;
    }
  }

  onFollowing(isContinuous: boolean): void {
    this.stale?.cancel();
    this.stale = null;
    this.mustRead ||= !isContinuous || !this.isKnown;
    this.goOn();
  }

  onLost(): void {
    this.stale ??= this.parts.clock.after(STALE_MS_MAX, () => {
      this.isKnown = false;
      this.parts.logger.error('the store is lost for too long: no API key of it is accepted');
      void this.announceAll();
    });
  }

  private async change(
    id: string,
    next: (kept: ManagedKey | null) => ManagedKey | null,
    secret: string,
  ): Promise<KeyOutcome> {
    const { storage } = this.parts;
    try {
      const kept: KeptKey | null = await storage.read(id);
      const key = next(kept?.key ?? null);
      if (key === null) return { kind: 'unknown' };
      const outcome = await storage.write(id, kept?.version ?? null, key);
      if (outcome !== 'written') return { kind: outcome };
      if (kept !== null) remember(this.changed, id, { before: kept.version, key });
      return { kind: 'done', key, secret, spread: await this.spread(id, key) };
    } catch (error) {
      return lostOr(error);
    }
  }

  /** Brings a change into effect, here and in the other gateways. */
  private async spread(id: string, key: ManagedKey | null): Promise<KeySpread> {
    const [spread] = await Promise.all([this.tell(id), this.take(id, key)]);
    return spread;
  }

  private async tell(id: string): Promise<KeySpread> {
    const { events } = this.parts;
    if (events === null) return ALONE;
    try {
      const { done, missing } = await events.tell(TOPIC, id);
      this.untold.delete(id);
      return { acknowledged: done.map(({ node }) => node), missing, trouble: '' };
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
      this.untold.add(id);
      this.later();
      return { acknowledged: [], missing: [], trouble: error.message };
    }
  }

  /** Takes away keys that have expired. Other gateways do so, too. */
  private sweep(): void {
    const beforeMs = this.parts.clock.unixMs() - EXPIRED_KEPT_MS;
    const expired = [...this.keys.values()].filter((key) => hasExpired(key, beforeMs));
    if (expired.length === 0) return;
    const ids = expired.map(({ id }) => id);
    this.removeExpired(ids).catch((error: unknown) => {
      // The next sweep finds them again.
      this.parts.logger.warn({ err: error }, 'API keys that have expired could not be taken away');
    });
  }

  private async removeExpired(ids: readonly string[]): Promise<void> {
    await this.parts.storage.remove(ids);
    for (const id of ids) this.keys.delete(id);
    await this.announceChange({ keys: [], removed: ids });
  }

  private async take(id: string, key: ManagedKey | null): Promise<void> {
    this.meanwhile?.set(id, key);
    if (key === null) {
      this.keys.delete(id);
      remember(this.takenBack, id, true);
    } else this.keys.set(id, key);
    const change = key === null ? { keys: [], removed: [id] } : { keys: [key], removed: [] };
    await this.announceChange(change);
  }

  private announceChange(change: Pick<ApiKeysNotice, 'keys' | 'removed'>): Promise<void> {
    const { isKnown } = this;
    const { announcements, broadcast } = this.parts;
    return announcements.announce((serial) =>
      broadcast({ type: 'apiKeys', serial, isWhole: false, isKnown, ...change }),
    );
  }

  private goOn(): void {
    this.catchUp().catch((error: unknown) => {
      if (!(error instanceof StoreLostError)) {
        this.parts.logger.error({ err: error }, 'API keys could not be read');
      }
      this.later();
    });
  }

  private async catchUp(): Promise<void> {
    if (this.mustRead) await this.readAll();
    for (const id of [...this.untold]) await this.tell(id);
  }

  private later(): void {
    if (this.isStopped) return;
    this.retry?.cancel();
    this.retry = this.parts.clock.after(RETRY_MS, () => this.goOn());
  }

  private async readAll(): Promise<void> {
    const reading = this.reading.then(() => this.readOnce());
    this.reading = reading.catch(() => {});
    await reading;
    await this.announceAll();
  }

  private async readOnce(): Promise<void> {
    const meanwhile = new Map<string, ManagedKey | null>();
    const found = new Map<string, ManagedKey>();
    this.meanwhile = meanwhile;
    // Before it begins: whoever says so from here on means another one.
    this.mustRead = false;
    try {
      for (const kept of await this.parts.storage.readAll()) {
        const key = await this.restored(kept);
        if (key !== null) found.set(key.id, key);
      }
    } catch (error) {
      this.mustRead = true;
      throw error;
    } finally {
      this.meanwhile = null;
    }
    for (const [id, key] of meanwhile) {
      if (key === null) found.delete(id);
      else found.set(id, key);
    }
    this.keys = found;
    this.isKnown = true;
  }

  /**
   * A store may have lost what was written last: then a key that was taken back is there again, or
   * one that was rotated as it was before. The version says so.
   */
  private async restored({ key, version }: KeptKey): Promise<ManagedKey | null> {
    const { id } = key;
    const change = this.changed.get(id);
    const isTakenBack = this.takenBack.has(id);
    if (!isTakenBack && change?.before !== version) return key;
    const next = isTakenBack ? null : (change?.key ?? null);
    const { storage } = this.parts;
    // Another gateway may make its own change of it again meanwhile: one taken back goes with that.
    if (isTakenBack) await storage.remove([id]);
    else if ((await storage.write(id, version, next)) !== 'written') {
      return (await storage.read(id))?.key ?? null;
    }
    this.untold.add(id);
    this.parts.logger.warn(
      { id },
      'a change of an API key was lost in the store: it is made again',
    );
    return next;
  }

  private announceAll(): Promise<void> {
    const { announcements, broadcast } = this.parts;
    return announcements.announce((serial) => broadcast({ ...this.notice, serial }));
  }
}

/** Forgets what was remembered first where there is too much. */
function remember<Value>(map: Map<string, Value>, id: string, value: Value): void {
  map.delete(id);
  map.set(id, value);
  for (const oldest of map.keys()) {
    if (map.size <= REMEMBERED_MAX) break;
    map.delete(oldest);
  }
}

function hasExpired({ expiresMs }: ManagedKey, nowMs: number): boolean {
  return expiresMs !== null && expiresMs <= nowMs;
}

function newSecret(id: string): { readonly secret: string; readonly sha256: string } {
  const secret = `slk_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { secret, sha256: createHash('sha256').update(secret).digest('hex') };
}

function lostOr(error: unknown): KeyOutcome {
  if (error instanceof StoreLostError) return { kind: 'lost', reason: error.message };
  throw error;
}
