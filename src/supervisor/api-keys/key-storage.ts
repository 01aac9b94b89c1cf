/**
 * Where API keys are kept that are made at run time: a file, the memory of this process, a store.
 *
 * Thread: supervisor (on the main thread). What is kept has hashes of keys and no key.
 */
import type { ManagedKey } from '../../base/managed-key.js';

/** Keys at once. */
export const KEYS_MAX = 10_000;

export type WriteOutcome = 'written' | 'changed' | 'full';

/** What is kept of one key. */
export interface KeptKey {
  readonly key: ManagedKey;
  /** Names this state of it. */
  readonly version: string;
}

export interface KeyStorage {
  /** Where keys are kept, for operators. */
  readonly kind: 'store' | 'file' | 'memory';
  /** All keys. Rejects with a StoreLostError, or with a StartupError that says what is wrong. */
  readAll(): Promise<readonly KeptKey[]>;
  /** null: there is none. */
  read(id: string): Promise<KeptKey | null>;
  /**
   * Writes a key over this version of it (null: over none), or takes it away (`next` null).
   * `changed`: there is another version.
   */
  write(id: string, version: string | null, next: ManagedKey | null): Promise<WriteOutcome>;
  /** Takes away these keys, whatever their version is. */
  remove(ids: readonly string[]): Promise<void>;
}
