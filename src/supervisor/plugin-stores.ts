/**
 * The stores of plugins: texts by key, for all workers.
 *
 * Thread: supervisor (on the main thread). One thread does one thing at a time: that makes an
 * increment and a compare-and-set exact. Every store is bounded; one that is full refuses new keys.
 */
import type { StoreAnswer, StoreAsk, StoreOperation } from '../channel/plugins/plugin-messages.js';

const ENTRIES_MAX = 10_000;
/** Characters of keys and values together. */
const CHARS_MAX = 4 * 2 ** 20;
const KEY_CHARS_MAX = 256;
const VALUE_CHARS_MAX = 65_536;

interface Entry {
  readonly value: string;
  /** Infinity: it does not end. */
  readonly endsMs: number;
}

type Answered = string | number | boolean | null;

export class PluginStores {
  private readonly stores = new Map<string, PluginStore>();

  constructor(private readonly nowMs: () => number) {}

  answer({ id, plugin, operation }: StoreAsk): StoreAnswer {
    try {
      const store = this.stores.get(plugin) ?? new PluginStore(this.nowMs);
      this.stores.set(plugin, store);
      return { id, value: store.run(operation) };
    } catch (error) {
      return { id, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Other plugins have no store any more. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.stores.keys()) if (!names.has(name)) this.stores.delete(name);
  }
}

class PluginStore {
  private readonly entries = new Map<string, Entry>();
  private chars = 0;

  constructor(private readonly nowMs: () => number) {}

  run(operation: StoreOperation): Answered {
    const { key } = operation;
    if (key.length > KEY_CHARS_MAX)
      throw new Error(`a key has at most ${KEY_CHARS_MAX} characters`);
    const known = this.find(key);
    switch (operation.kind) {
      case 'get':
        return known?.value ?? null;
      case 'delete':
        this.remove(key);
        return known !== undefined;
      case 'set':
        this.put(key, operation.value, this.endOf(operation.lifeMs));
        return null;
      case 'increment': {
        const value = Number(known?.value ?? 0) + operation.by;
        if (!Number.isSafeInteger(value)) throw new Error('the value is no integer that can grow');
        // How long a count lives is said by who begins it.
        this.put(key, String(value), known?.endsMs ?? this.endOf(operation.lifeMs));
        return value;
      }
      default:
        if ((known?.value ?? null) !== operation.expected) return false;
        this.put(key, operation.value, this.endOf(operation.lifeMs));
        return true;
    }
  }

  private endOf(lifeMs: number): number {
    return lifeMs === 0 ? Number.POSITIVE_INFINITY : this.nowMs() + lifeMs;
  }

  private find(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.endsMs > this.nowMs()) return entry;
    this.remove(key);
    return undefined;
  }

  private put(key: string, value: string, endsMs: number): void {
    if (value.length > VALUE_CHARS_MAX) {
      throw new Error(`a value has at most ${VALUE_CHARS_MAX} characters`);
    }
    const before = this.entries.get(key);
    const size = (before === undefined ? 0 : -sizeOf(key, before)) + key.length + value.length;
    if (this.isFull(before === undefined, size)) this.dropEnded();
    if (this.isFull(before === undefined, size)) throw new Error('the store of the plugin is full');
    this.entries.set(key, { value, endsMs });
    this.chars += size;
  }

  private isFull(isNew: boolean, size: number): boolean {
    return (isNew && this.entries.size >= ENTRIES_MAX) || this.chars + size > CHARS_MAX;
  }

  private dropEnded(): void {
    const nowMs = this.nowMs();
    for (const [key, { endsMs }] of this.entries) if (endsMs <= nowMs) this.remove(key);
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.chars -= sizeOf(key, entry);
    this.entries.delete(key);
  }
}

function sizeOf(key: string, { value }: Entry): number {
  return key.length + value.length;
}
