/**
 * A worker's way to the stores of plugins, which the main thread keeps.
 *
 * Thread: worker. Owns the asks that wait for their answers.
 */
import type {
  StoreAnswer,
  StoreAsk,
  StoreOperation,
} from '../../channel/plugins/plugin-messages.js';
import type { PluginStore } from '../../plugins/plugin.js';

/** Asks of one worker that wait at a time. */
const WAITING_MAX = 4096;

type Value = string | number | boolean | null;

interface Waiting {
  resolve(value: Value): void;
  reject(error: Error): void;
}

export class StoreClient {
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor(private readonly post: (ask: StoreAsk) => void) {}

  onAnswer(answer: StoreAnswer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ('problem' in answer) waiting?.reject(new Error(answer.problem));
    else waiting?.resolve(answer.value);
  }

  /** The store of one plugin. `enter`: what goes on then is work of the plugin. */
  storeOf(plugin: string, enter: () => void): PluginStore {
    const run = async <T extends Value>(operation: StoreOperation): Promise<T> => {
      try {
        return (await this.ask({ plugin, operation })) as T;
      } finally {
        enter();
      }
    };
    const life = ({ ttl = 0 }: { readonly ttl?: number } = {}): number => {
      if (Number.isFinite(ttl) && ttl >= 0) return ttl;
      throw new TypeError('ttl is a number of milliseconds, or 0');
    };
    return {
      get: async (key) =>
        (await run<string | null>({ kind: 'get', key: String(key) })) ?? undefined,
      delete: (key) => run({ kind: 'delete', key: String(key) }),
      set: async (key, value, options) => {
        const [text, lifeMs] = [String(value), life(options)];
        await run({ kind: 'set', key: String(key), value: text, lifeMs });
      },
      increment: (key, by = 1, options = {}) =>
        run({ kind: 'increment', key: String(key), by: Number(by), lifeMs: life(options) }),
      compareAndSet: (key, expected, value, options) =>
        run({
          kind: 'compareAndSet',
          key: String(key),
          expected: expected === undefined ? null : String(expected),
          value: String(value),
          lifeMs: life(options),
        }),
    };
  }

  private ask(asked: Omit<StoreAsk, 'id'>): Promise<Value> {
    if (this.waiting.size >= WAITING_MAX) throw new Error('too much is asked of the store at once');
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.post({ id, ...asked });
    });
  }
}
