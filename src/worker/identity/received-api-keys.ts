/**
 * API keys that were made at run time, as the main thread tells of them.
 *
 * Thread: worker. Owns this worker's copy.
 */
import type { ManagedKey } from '../../base/managed-key.js';
import type { ApiKeysNotice } from '../../channel/identity-messages.js';
import type { ManagedKeyFeed } from '../../filters/authentication/managed-keys.js';

export class ReceivedApiKeys implements ManagedKeyFeed {
  /** False until the main thread says otherwise, where keys are made at run time. */
  isKnown = true;
  private keys = new Map<string, ManagedKey>();

  onNotice({ isWhole, isKnown, keys, removed }: ApiKeysNotice): void {
    this.isKnown = isKnown;
    if (isWhole) this.keys = new Map();
    for (const key of keys) this.keys.set(key.id, key);
    for (const id of removed) this.keys.delete(id);
  }

  find(id: string): ManagedKey | undefined {
    return this.keys.get(id);
  }
}
