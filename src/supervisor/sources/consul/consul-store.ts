/**
 * A store of configurations in Consul's KV store.
 *
 * Thread: supervisor (on the main thread). Plain HTTP: a blocking query for each range that is
 * watched, sessions for presences. What an answer lets one believe is decided in
 * consul-client.ts; a watch that says nothing is not believed for longer than its wait.
 */
import type { Clock, Random } from '../../../base/clock.js';
import type {
  ConfigStore,
  Presence,
  StoreChange,
  StoreCompare,
  StoredValue,
  StoreListener,
  StoreView,
} from '../config-store.js';
import { PrefixedKeys } from '../prefixed-keys.js';
import type { StoreAddress } from '../store-address.js';
import { ConsulClient } from './consul-client.js';
import { ConsulPresence } from './consul-presence.js';
import { ConsulWatch, type ConsulWatchTimes } from './consul-watch.js';

export interface ConsulStoreOptions {
  readonly address: StoreAddress;
  readonly clock: Pick<Clock, 'nowMs' | 'after' | 'every'>;
  readonly random: Random;
  readonly times?: Partial<ConsulWatchTimes> & { readonly callMs?: number };
}

const TIMES: ConsulWatchTimes = { waitMs: 55_000, intervalMs: 1000, backoffMs: 500 };

export class ConsulStore implements ConfigStore {
  readonly name: string;
  readonly provider = 'consul';
  private readonly client: ConsulClient;
  private readonly prefixed: PrefixedKeys;

  constructor(private readonly options: ConsulStoreOptions) {
    this.name = options.address.name;
    this.prefixed = new PrefixedKeys(options.address.prefix);
    this.client = new ConsulClient(options.address, options.times?.callMs);
  }

  async read(ranges: readonly string[]): Promise<StoreView> {
    const values = new Map<string, StoredValue>();
    let revision = 0;
    for (const range of ranges) {
      const read = await this.client.range(this.prefixed.absolute(range), 'consistent');
      for (const [key, value] of read.values) values.set(this.prefixed.relative(key), value);
      revision = Math.max(revision, read.index);
    }
    return { values, revision, clusterId: '' };
  }

  async keys(range: string): Promise<readonly string[]> {
    const keys = await this.client.keys(this.prefixed.absolute(range));
    return keys.map((key) => this.prefixed.relative(key)).sort();
  }

  change(compares: readonly StoreCompare[], changes: readonly StoreChange[]): Promise<boolean> {
    const { prefixed } = this;
    return this.client.change(prefixed.allAbsolute(compares), prefixed.allAbsolute(changes));
  }

  watch(ranges: readonly string[], listener: StoreListener): { stop(): void } {
    const { clock, random, times } = this.options;
    const watch = new ConsulWatch(
      {
        ...{ client: this.client, clock, random, times: { ...TIMES, ...times } },
        keys: ranges.map((range) => this.prefixed.absolute(range)),
        relative: (key) => this.prefixed.relative(key),
      },
      listener,
    );
    void watch.run();
    return watch;
  }

  present(key: string): Presence {
    return new ConsulPresence(this.client, this.prefixed.absolute(key), this.options.clock);
  }

  close(): void {
    this.client.close();
  }
}
