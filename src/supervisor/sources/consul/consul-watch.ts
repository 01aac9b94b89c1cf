/**
 * Watches ranges of keys in Consul, for ever, by blocking queries.
 *
 *     ask each range ─► view ─► ask each again, from its index on ─► the first answer ─► view …
 *
 * Thread: supervisor (on the main thread). Owns the queries that are under way.
 *
 * Invariants: texts and index of a range come from one answer, so that no change falls between
 * both. An index that goes back is not waited from. Asks are at least `intervalMs` apart, and none
 * lasts much longer than `waitMs`, whatever the agent does.
 */
import type { Clock, Random, Timer } from '../../../base/clock.js';
import type { StoreListener, StoreView } from '../config-store.js';
import type { ConsulClient, ConsulRange } from './consul-client.js';

export interface ConsulWatchTimes {
  readonly waitMs: number;
  readonly intervalMs: number;
  readonly backoffMs: number;
}

export interface ConsulWatchOptions {
  readonly client: ConsulClient;
  /** As Consul knows them. */
  readonly keys: readonly string[];
  readonly clock: Pick<Clock, 'after'>;
  readonly random: Random;
  readonly times: ConsulWatchTimes;
  /** Keys relative to the prefix. */
  relative(key: string): string;
}

const BACKOFF_MS_MAX = 10_000;

export class ConsulWatch {
  private readonly ranges = new Map<string, ConsulRange>();
  private asking = new AbortController();
  private timer: Timer | null = null;
  private wake: () => void = () => {};
  private isStopped = false;
  private failures = 0;

  constructor(
    private readonly options: ConsulWatchOptions,
    private readonly listener: StoreListener,
  ) {}

  async run(): Promise<void> {
    const { intervalMs, backoffMs } = this.options.times;
    while (!this.isStopped) {
      try {
        await this.askAll();
        if (this.isStopped) return;
        await this.listener.onView(this.view());
        this.failures = 0;
      } catch (error) {
        if (this.isStopped) return;
        this.failures += 1;
        // All is asked again: what was known may have been of another store.
        this.ranges.clear();
        this.listener.onTrouble(error instanceof Error ? error.message : String(error));
      }
      const most = backoffMs * 2 ** Math.min(this.failures, 10);
      await this.pause(this.failures === 0 ? intervalMs : Math.min(BACKOFF_MS_MAX, most));
    }
  }

  stop(): void {
    this.isStopped = true;
    this.asking.abort();
    this.wake();
  }

  /** The first time all ranges; then until one of them answers. */
  private async askAll(): Promise<void> {
    const { client, keys, times } = this.options;
    const missing = keys.filter((key) => !this.ranges.has(key));
    for (const key of missing) this.ranges.set(key, await client.range(key, 'default'));
    if (missing.length > 0) return;
    this.asking = new AbortController();
    const { signal } = this.asking;
    const answers = keys.map(async (key) => {
      const known = this.ranges.get(key);
      const before = known?.index ?? 1;
      const now = await client.rangeSince(key, before, { waitMs: times.waitMs, signal });
      // Behind a reset of the index what is there now is the only thing that counts.
      this.ranges.set(key, now.index < before ? { ...now, index: 1 } : now);
    });
    try {
      await Promise.race(answers);
    } finally {
      this.asking.abort();
      await Promise.allSettled(answers);
    }
  }

  private view(): StoreView {
    const all = [...this.ranges.values()];
    const values = all.flatMap((range) => [...range.values]);
    const { relative } = this.options;
    return {
      values: new Map(values.map(([key, value]) => [relative(key), value])),
      revision: Math.max(...all.map(({ index }) => index)),
      clusterId: '',
    };
  }

  private pause(ms: number): Promise<void> {
    const most = ms * (0.75 + this.options.random() / 2);
    return new Promise((resolve) => {
      this.wake = () => {
        this.timer?.cancel();
        resolve();
      };
      this.timer = this.options.clock.after(most, resolve);
    });
  }
}
