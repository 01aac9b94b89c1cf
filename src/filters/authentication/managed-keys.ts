/**
 * API keys that were made at run time: their form, and where an authenticator finds them.
 *
 * Thread: any (pure). worker/identity/received-api-keys.ts implements the feed.
 *
 * A key is slk_ID_SECRET. The id is no secret, and finds the record; the secret has 256 random
 * bits, so that a plain SHA-256 of the key protects it.
 */
import type { ManagedKey } from '../../base/managed-key.js';

const KEY_FORM = /^slk_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

export interface ManagedKeyFeed {
  /** False: which keys there are is not known now, so that nobody can be refused for good. */
  readonly isKnown: boolean;
  find(id: string): ManagedKey | undefined;
}

/** Where no keys are made at run time. */
export const NO_MANAGED_KEYS: ManagedKeyFeed = { isKnown: true, find: () => undefined };

/** The id in a key of this form; '': it has another one. */
export function managedIdOf(key: string): string {
  return KEY_FORM.exec(key)?.[1] ?? '';
}
