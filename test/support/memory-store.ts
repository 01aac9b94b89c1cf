/**
 * A store of configurations in memory, for tests of what is done with one.
 */
import { StoreError } from '../../src/base/store-errors.js';
import type {
  ConfigStore,
  Presence,
  StoreChange,
  StoreCompare,
  StoredValue,
  StoreListener,
  StoreView,
} from '../../src/supervisor/sources/config-store.js';

export class MemoryStore implements ConfigStore {
  readonly name = 'memory://test/sluice';
  readonly provider = 'memory';
  readonly values = new Map<string, StoredValue>();
  /** It does not answer. */
  isAway = false;
  /** The reply to the next change is lost; the change is made. */
  losesReply = false;
  private revision = 0;
  private readonly watches = new Set<() => void>();

  async read(ranges: readonly string[]): Promise<StoreView> {
    if (this.isAway) throw new StoreError('the store is away');
    const isIn = (key: string) =>
      ranges.some((range) => key === range || (range.endsWith('/') && key.startsWith(range)));
    const values = new Map([...this.values].filter(([key]) => isIn(key)));
    return { values, revision: this.revision, clusterId: 'memory' };
  }

  async keys(range: string): Promise<readonly string[]> {
    return [...(await this.read([range])).values.keys()].sort();
  }

  async change(
    compares: readonly StoreCompare[],
    changes: readonly StoreChange[],
  ): Promise<boolean> {
    if (this.isAway) throw new StoreError('the store is away');
    const isRight = compares.every(
      ({ key, version }) => (this.values.get(key)?.version ?? 0) === version,
    );
    if (!isRight) return false;
    this.revision += 1;
    for (const { key, text } of changes) {
      if (text === null) this.values.delete(key);
      else this.values.set(key, { text, version: this.revision });
    }
    for (const tell of this.watches) tell();
    if (!this.losesReply) return true;
    this.losesReply = false;
    throw new StoreError('the reply was lost');
  }

  watch(ranges: readonly string[], listener: StoreListener): { stop(): void } {
    let work: Promise<unknown> = Promise.resolve();
    const tell = (): void => {
      work = work.then(async () => {
        try {
          await listener.onView(await this.read(ranges));
        } catch (error) {
          listener.onTrouble(error instanceof Error ? error.message : String(error));
        }
      });
    };
    this.watches.add(tell);
    tell();
    return { stop: () => void this.watches.delete(tell) };
  }

  present(key: string): Presence {
    return {
      tell: (text) => void this.values.set(key, { text, version: this.revision + 1 }),
      stop: async () => void this.values.delete(key),
    };
  }

  close(): void {}
}
