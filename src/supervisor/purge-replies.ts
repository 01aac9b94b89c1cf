/**
 * Purges stored replies as the operator asks for it.
 *
 * Thread: supervisor. Works on shared memory: no worker is asked, and none has to wait.
 */
import type { EntryHead } from '../channel/cache/cache-entry.js';
import type { CacheMemory } from '../channel/cache/cache-memory.js';
import { purgeCache } from '../channel/cache/cache-purge.js';
import { groupsOf } from '../policy/caching/cache-groups.js';
import { routeOfKey, urlOfKey } from '../policy/caching/cache-key.js';
import { listOf } from '../policy/caching/storing.js';

export interface PurgeOrder {
  readonly kind: 'url' | 'prefix' | 'route' | 'group' | 'all';
  readonly value: string;
  readonly isSoft: boolean;
}

/** How many replies were purged. They answer no request that begins after this. */
export function purgeReplies(memory: CacheMemory, { kind, value, isSoft }: PurgeOrder): number {
  return purgeCache(memory, (head) => isMeant(head, kind, value), isSoft);
}

function isMeant({ key, fields }: EntryHead, kind: PurgeOrder['kind'], value: string): boolean {
  switch (kind) {
    case 'all':
      return true;
    case 'route':
      return routeOfKey(key) === value;
    case 'prefix':
      return urlOfKey(key).startsWith(value);
    case 'group':
      return groupsOf(listOf(fields, 'cache-groups')).includes(value);
    default:
      // What has a query that does not count for its route is stored without it.
      return urlOfKey(key) === value || urlOfKey(key) === value.split('?', 1)[0];
  }
}
