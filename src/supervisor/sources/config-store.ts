/**
 * A store of configurations as the rest of the gateway sees it, whichever kind it is: keys with
 * texts, versions to compare with, a watch, and keys that vanish with their node.
 *
 * Thread: supervisor (on the main thread). Types only. Keys are relative to the prefix of the
 * address; a range is one key, or all keys below a name that ends with "/".
 */

/** A value, and what it is compared by. */
export interface StoredValue {
  readonly text: string;
  /** Moves with each change of the value; larger than 0. */
  readonly version: number;
}

/** Some keys at one moment. */
export interface StoreView {
  readonly values: ReadonlyMap<string, StoredValue>;
  /** Moves with every change of the store. For people: nothing is decided by it alone. */
  readonly revision: number;
  /** Another one means another store, such as one that was rebuilt; '': the store has none. */
  readonly clusterId: string;
}

/** One change of a transaction; `text` null: the key is deleted. */
export interface StoreChange {
  readonly key: string;
  readonly text: string | null;
}

/** The key has to have this version; 0: it must not exist. */
export interface StoreCompare {
  readonly key: string;
  readonly version: number;
}

/** Hears what comes of a watch. */
export interface StoreListener {
  /**
   * What the ranges hold now: at the beginning, after each change, and now and then without one.
   * The next view is not read before this one is settled.
   */
  onView(view: StoreView): Promise<void>;
  /** The store cannot be reached or read, for this reason; the watch goes on trying. */
  onTrouble(reason: string): void;
}

/** A key that exists as long as its node says so. */
export interface Presence {
  /** Replaces its text: now, or as soon as the store can be reached. */
  tell(text: string): void;
  /** Takes the key away, if that can be done at once. */
  stop(): Promise<void>;
}

export interface ConfigStore {
  /** The address without secrets, for logs and pages. */
  readonly name: string;
  /** `etcd` or `consul`. */
  readonly provider: string;
  /** Reads the ranges as the store as a whole has them now, never as one member remembers them. */
  read(ranges: readonly string[]): Promise<StoreView>;
  /** The keys of a range without their texts, sorted. */
  keys(range: string): Promise<readonly string[]>;
  /** All changes at once, or none. False: a comparison has failed. */
  change(compares: readonly StoreCompare[], changes: readonly StoreChange[]): Promise<boolean>;
  /** Watches until it is stopped. */
  watch(ranges: readonly string[], listener: StoreListener): { stop(): void };
  /** A key that vanishes when this process does, after some seconds. */
  present(key: string): Presence;
  /** Ends connections; watches and presences are stopped before. */
  close(): void;
}
