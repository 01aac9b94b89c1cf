/**
 * A store of configurations in etcd (v3 API, 3.4 and newer).
 *
 * Thread: supervisor (on the main thread). Owns a client. All readings are linearizable: a member
 * that is cut off from the others says so, and does not answer from memory.
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
import { EtcdClient, type EtcdTimes } from './etcd-client.js';
import {
  changeRequest,
  headerOf,
  METHODS,
  rangeRequest,
  readRequest,
  valuesOf,
} from './etcd-messages.js';
import { EtcdPresence } from './etcd-presence.js';
import { EtcdWatch } from './etcd-watch.js';

export interface EtcdStoreOptions {
  readonly address: StoreAddress;
  readonly clock: Pick<Clock, 'nowMs' | 'after' | 'every'>;
  readonly random: Random;
  readonly times?: EtcdTimes & {
    /** How long a watch may say nothing before all is read again. Default: 30 s. */
    readonly recheckMs?: number;
    /** The first wait before a watch is begun again; it doubles up to 5 s. Default: 200 ms. */
    readonly backoffMs?: number;
  };
}

const RECHECK_MS = 30_000;
const BACKOFF_MS = 200;

export class EtcdStore implements ConfigStore {
  readonly name: string;
  readonly provider = 'etcd';
  private readonly client: EtcdClient;
  private readonly prefixed: PrefixedKeys;

  constructor(private readonly options: EtcdStoreOptions) {
    const { address, clock, times = {} } = options;
    const { recheckMs: _recheckMs, backoffMs: _backoffMs, ...ofClient } = times;
    this.name = address.name;
    this.prefixed = new PrefixedKeys(address.prefix);
    this.client = new EtcdClient({ address, clock, times: ofClient });
  }

  async read(ranges: readonly string[]): Promise<StoreView> {
    const request = readRequest(ranges.map((range) => this.prefixed.absolute(range)));
    const reply = await this.client.call(METHODS.transaction, request);
    const values = new Map<string, StoredValue>();
    for (const response of reply.messages(3)) {
      for (const [key, value] of valuesOf(response.message(1))) {
        values.set(this.prefixed.relative(key), value);
      }
    }
    return { values, ...headerOf(reply) };
  }

  async keys(range: string): Promise<readonly string[]> {
    const reply = await this.client.call(
      METHODS.range,
      rangeRequest(this.prefixed.absolute(range), true),
    );
    return [...valuesOf(reply)].map(([key]) => this.prefixed.relative(key));
  }

  async change(
    compares: readonly StoreCompare[],
    changes: readonly StoreChange[],
  ): Promise<boolean> {
    const { prefixed } = this;
    const request = changeRequest(prefixed.allAbsolute(compares), prefixed.allAbsolute(changes));
    return (await this.client.call(METHODS.transaction, request)).flag(2);
  }

  watch(ranges: readonly string[], listener: StoreListener): { stop(): void } {
    const { clock, random, times = {} } = this.options;
    const { recheckMs = RECHECK_MS, backoffMs = BACKOFF_MS } = times;
    const watch = new EtcdWatch(
      {
        ...{ client: this.client, clock, random, recheckMs, backoffMs },
        keys: ranges.map((range) => this.prefixed.absolute(range)),
        read: () => this.read(ranges),
      },
      listener,
    );
    void watch.run();
    return watch;
  }

  present(key: string): Presence {
    return new EtcdPresence(this.client, this.prefixed.absolute(key), this.options.clock);
  }

  close(): void {
    this.client.close();
  }
}
