/**
 * One key set: fetched once for all workers, again before it is too old, and when a token names a
 * key that is not in the set.
 *
 * Thread: supervisor (on the main thread). Owns the last good set, which outlives any failure, and
 * a timer. At most one fetch is under way.
 */
import type { Logger } from 'pino';
import type { Jwk } from '../../base/json-web-key.js';
import type { KeySetNotice } from '../../channel/identity-messages.js';
import type { CompiledKeySource } from '../../filters/authentication/options.js';
import { type FetchJson, readKeySet } from './read-key-set.js';

/** A set is fetched again after this part of `cacheMs`, so that nobody has to wait for it. */
const REFRESH_AT = 0.8;
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 60_000;

export interface KeySetSourceOptions {
  readonly logger: Logger;
  readonly fetch: FetchJson;
  nowMs(): number;
  /** A number greater than all before, of any source. */
  nextVersion(): number;
  /** Sends a notice to every worker. */
  broadcast(notice: KeySetNotice): void;
}

export class KeySetSource {
  private keys: readonly Jwk[] = [];
  private version = 0;
  private failures = 0;
  private isFetching = false;
  private fetched: Promise<void> = Promise.resolve();
  private isStopped = false;
  /** From this time on a missing key may cause a fetch. */
  private nextWishMs = 0;
  private nextFetchMs = 0;
  private timer: NodeJS.Timeout | undefined;

  /** `before`: the same set under other rules; its keys are good until newer ones are here. */
  constructor(
    readonly source: CompiledKeySource,
    private readonly options: KeySetSourceOptions,
    before?: KeySetSource,
  ) {
    if (before === undefined) return;
    this.keys = before.keys;
    this.version = before.version;
  }

  start(): void {
    this.begin();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  get notice(): KeySetNotice {
    const { version, keys } = this;
    const hasFailed = this.failures > 0;
    return {
      type: 'keySet',
      source: this.source.id,
      version,
      keys,
      // After a failure only the timer starts a fetch, and no missing key does: a server in trouble
      // is left alone.
      nextFetchMs: hasFailed ? Math.max(this.nextWishMs, this.nextFetchMs) : this.nextWishMs,
    };
  }

  /**
   * A worker misses a key in the set of this version. True: a notice to all workers will follow.
   */
  onWanted(version: number): boolean {
    if (this.isFetching) return true;
    if (version < this.version) return false;
    const { nowMs } = this.options;
    if (nowMs() < this.notice.nextFetchMs) return false;
    this.nextWishMs = nowMs() + this.source.cooldownMs;
    this.begin();
    return true;
  }

  /** The last good set; empty: none so far. */
  get published(): readonly Jwk[] {
    return this.keys;
  }

  /** For somebody on this thread who misses a key: resolves when an attempt has ended. */
  askNewer(): Promise<void> | null {
    return this.onWanted(this.version) ? this.fetched : null;
  }

  private begin(): void {
    this.fetched = this.fetch();
  }

  /** The source's name for the log: without the query, which may hold a secret. */
  private get label(): string {
    return this.source.id.split('?', 1)[0] ?? '';
  }

  private async fetch(): Promise<void> {
    this.isFetching = true;
    clearTimeout(this.timer);
    const { logger, fetch } = this.options;
    try {
      this.take(await readKeySet(this.source, fetch));
      this.failures = 0;
    } catch (error) {
      this.failures++;
      const reason = error instanceof Error ? error.message : 'unknown';
      const { length: keysKept } = this.keys;
      logger.warn(
        { source: this.label, reason, failures: this.failures, keysKept },
        'key set not fetched',
      );
    }
    this.isFetching = false;
    if (this.isStopped) return;
    const waitMs = this.failures === 0 ? this.source.cacheMs * REFRESH_AT : retryMs(this.failures);
    this.nextFetchMs = this.options.nowMs() + waitMs;
    this.timer = setTimeout(() => this.begin(), waitMs);
    this.timer.unref();
    this.options.broadcast(this.notice);
  }

  private take(keys: readonly Jwk[]): void {
    const isSame = JSON.stringify(keys) === JSON.stringify(this.keys);
    if (isSame && this.version > 0) return;
    this.keys = keys;
    this.version = this.options.nextVersion();
    this.options.logger.info({ source: this.label, keys: keys.length }, 'key set fetched');
  }
}

/** The wait before the next fetch doubles with each failure in a row. */
function retryMs(failures: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures - 1, 10));
}
