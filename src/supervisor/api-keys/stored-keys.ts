/**
 * API keys in the store that gateways share: one hash, a sealed text for each key.
 *
 * Thread: supervisor (on the main thread). Owns nothing. Who can write to the store can take a key
 * away or bring back an older state of one; he cannot make one.
 */
import type { ManagedKey } from '../../base/managed-key.js';
import type { StoreValue } from '../../channel/store/store-messages.js';
import { SEALED_HEAD_CHARS, type Sealer } from '../../filters/authentication/sealed-text.js';
import type { StoreSupervisor } from '../store-supervisor.js';
import { KEYS_MAX, type KeptKey, type KeyStorage, type WriteOutcome } from './key-storage.js';

/**
 * KEYS[1] the keys; ARGV: id, version or '', new text or '', bound. A version is how a text begins.
 * Reply: 1 written, 0 there is another version, -1 there is no room.
 */
const WRITE_SCRIPT = `
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if string.sub(now, 1, ${SEALED_HEAD_CHARS}) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) return 1 end
if now == '' and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
`;

const REMOVED_AT_ONCE = 500;

export class StoredKeys implements KeyStorage {
  readonly kind = 'store';
  private readonly name: string;

  constructor(
    private readonly store: StoreSupervisor,
    private readonly sealer: Sealer,
  ) {
    this.name = store.keyOf('api', 'keys');
  }

  async readAll(): Promise<readonly KeptKey[]> {
    const reply = await this.store.run(['HGETALL', this.name]);
    const parts = Array.isArray(reply) ? reply : [];
    const found: KeptKey[] = [];
    for (let at = 0; at + 1 < parts.length; at += 2) {
      const kept = this.open(String(parts[at]), parts[at + 1] ?? null);
      if (kept !== null) found.push(kept);
    }
    return found;
  }

  async read(id: string): Promise<KeptKey | null> {
    return this.open(id, await this.store.run(['HGET', this.name, id]));
  }

  async write(id: string, version: string | null, next: ManagedKey | null): Promise<WriteOutcome> {
    const text = next === null ? '' : this.sealer.seal(JSON.stringify(next), this.contextOf(id));
    const values = [id, version ?? '', text, KEYS_MAX];
    const reply = await this.store.run(['EVAL', WRITE_SCRIPT, 1, this.name, ...values]);
    if (reply === -1) return 'full';
    return reply === 1 ? 'written' : 'changed';
  }

  async remove(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += REMOVED_AT_ONCE) {
      await this.store.run(['HDEL', this.name, ...ids.slice(at, at + REMOVED_AT_ONCE)]);
    }
  }

  /** null: it was not sealed for this id. */
  private open(id: string, sealed: StoreValue): KeptKey | null {
    if (typeof sealed !== 'string') return null;
    const text = this.sealer.open(sealed, this.contextOf(id));
    if (text === null) return null;
    return { key: JSON.parse(text) as ManagedKey, version: sealed.slice(0, SEALED_HEAD_CHARS) };
  }

  private contextOf(id: string): string {
    return `${this.name} ${id}`;
  }
}
