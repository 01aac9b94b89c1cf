/** A cache of replies in which nothing is stored, for parts that only pass it on. */
import { HalfSipHash } from '../../src/base/half-sip-hash.js';
import { allocateCache } from '../../src/channel/cache/cache-memory.js';
import { CacheStore } from '../../src/channel/cache/cache-store.js';
import { FetchLeases } from '../../src/channel/cache/fetch-leases.js';
import { ReplyRelays } from '../../src/channel/cache/reply-relays.js';
import { CacheLink } from '../../src/worker/cache/cache-link.js';
import type { ReplyCache, ReplyCacheParts } from '../../src/worker/cache/reply-cache.js';
import { FakeClock } from './fake-clock.js';

export function aCacheLink(replies: ReplyCacheParts['replies']): CacheLink {
  const memory = allocateCache(1, 0);
  return new CacheLink({
    store: new CacheStore(memory, 0, new HalfSipHash(1, 2)),
    leases: new FetchLeases(memory, 0),
    clock: new FakeClock(),
    replies,
    relays: new ReplyRelays(memory.relays, 0),
    onStored: () => {},
    onFormUsed: () => {},
    onBroken: () => {},
  });
}

let known: ReplyCache | null = null;

/** No route has a cache: it is never asked for anything, and one does for all. */
export function anEmptyCache(replies: ReplyCacheParts['replies']): ReplyCache {
  known ??= aCacheLink(replies).cache;
  return known;
}
