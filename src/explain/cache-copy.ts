/**
 * What the cache would do with requests, by the code that does it.
 *
 * Thread: supervisor (on the main thread). Owns a store of its own, or looks into that of a running
 * gateway, where it changes nothing: no entry counts as used, and no fetch is begun.
 */
import { defined } from '../base/assert.js';
import type { Moment, Timer } from '../base/clock.js';
import { type FieldBlock, firstValueOf, NO_FIELDS } from '../base/field-block.js';
import { HalfSipHash } from '../base/half-sip-hash.js';
import { allocateCache, type CacheMemory } from '../channel/cache/cache-memory.js';
import { CacheReader, type Fits } from '../channel/cache/cache-reader.js';
import type { FoundEntry } from '../channel/cache/cache-segment.js';
import { CacheStore } from '../channel/cache/cache-store.js';
import { FetchLeases } from '../channel/cache/fetch-leases.js';
import {
  type Look,
  ReplyCache,
  type ReplyCacheParts,
  type ReplyStore,
} from '../worker/cache/reply-cache.js';
import type { Exchange } from '../worker/exchange/exchange.js';

/** A reply of a target that somebody assumes. */
export interface GivenReply {
  readonly status: number;
  readonly fields: FieldBlock;
}

/** What becomes of a request. */
export interface CacheLooked {
  readonly look: Look;
  /** Of the reply from memory; 0: there is none. */
  readonly status: number;
}

type Leases = ReplyCacheParts['leases'];

/** Enough for what a table of expectations stores. */
const OWN_BYTES = 4 * 2 ** 20;
/** A lane that there is not: nobody's leases are its. */
const NO_LANE = 1022;
const NO_TIMER: Timer = { cancel: () => {} };
const NO_BODY = Buffer.alloc(0);
/** What is being fetched is nobody's here. */
const NO_RELAYS = { hasOthers: false, want: () => null, accept: () => [] };

export class CacheCopy {
  private readonly cache: ReplyCache;
  private readonly found = new WeakMap<Exchange, CacheLooked>();
  private moment: Moment = { nowMs: 0, unixMs: 0 };
  private status = 0;

  private constructor(store: ReplyStore, leases: Leases) {
    this.cache = new ReplyCache(
      {
        store,
        leases,
        clock: {
          nowMs: () => this.moment.nowMs,
          unixMs: () => this.moment.unixMs,
          every: () => NO_TIMER,
        },
        replies: {
          head: (_, status) => {
            this.status = status;
          },
          whole: () => {},
          data: () => true,
          end: () => {},
          trailers: () => {},
          takeBack: () => {},
        },
        relays: NO_RELAYS,
        onStored: () => {},
        onFormUsed: () => {},
        onBroken: () => {},
      },
      () => {},
    );
  }

  /** Nothing is stored yet. */
  static empty(): CacheCopy {
    const memory = allocateCache(1, OWN_BYTES);
    const store = new CacheStore(memory, 0, new HalfSipHash(1, 2));
    return new CacheCopy(store, new FetchLeases(memory, 0));
  }

  /** What workers have stored there. `hashKey`: by which they hash keys. */
  static of(memory: CacheMemory, hashKey: readonly [number, number]): CacheCopy {
    return new CacheCopy(
      new LookingStore(memory, new HalfSipHash(...hashKey)),
      new LookingLeases(new FetchLeases(memory, NO_LANE)),
    );
  }

  /** To be called once for an exchange of a route with a cache, after it was edited. */
  look(exchange: Exchange, moment: Moment): void {
    this.moment = moment;
    this.status = 0;
    const look = this.cache.open(exchange);
    if (look === 'serve') this.cache.serve(exchange, defined(exchange.caching, 'what was found'));
    this.cache.endWait(exchange);
    this.found.set(exchange, { look, status: this.status });
  }

  /** What has become of it; undefined: it was refused before. */
  foundFor(exchange: Exchange): CacheLooked | undefined {
    return this.found.get(exchange);
  }

  /** A target has given this reply to the exchange, whose route may have no cache. */
  take(exchange: Exchange, { status, fields }: GivenReply, moment: Moment): void {
    this.moment = moment;
    const { cache } = this;
    const { caching } = exchange;
    if (caching !== null && this.found.get(exchange)?.look !== 'serve') {
      const bodyBytes = Number(firstValueOf(fields, 'content-length') || -1);
      const verdict = cache.onHead(exchange, status, { fields, bodyBytes, date: '' });
      if (verdict === 'on') cache.onEnd(caching, NO_FIELDS);
      if (verdict === 'validated') cache.serveValidated(exchange);
    }
    cache.onWritten(exchange, status, fields);
    cache.release(exchange);
  }
}

/** Finds what is stored, and leaves it as it is. */
class LookingStore extends CacheReader {
  readonly evicted = 0;
  readonly lastNumber = 0;
  readonly entryBytesMax = Number.POSITIVE_INFINITY;

  override find(key: string, fits: Fits): FoundEntry | null {
    const entry = super.find(key, fits);
    if (entry === null) return null;
    const { segment, slot, head, bodyBytes, number, isForm, isSoft } = entry;
    const nothing = { copyBody: () => NO_BODY, use: () => {}, kill: () => {} };
    return { segment, slot, head, bodyBytes, number, isForm, isSoft, ...nothing };
  }

  put(): boolean {
    return false;
  }

  putForm(): void {}
}

/** Sees who fetches, and fetches nothing. */
class LookingLeases {
  readonly token = 0;

  constructor(private readonly leases: FetchLeases) {}

  take(hash: number, nowMs: number, timeoutMs: number): 'wait' | 'alone' {
    return this.leases.isHeld(hash, nowMs, timeoutMs) ? 'wait' : 'alone';
  }

  isHeld(): boolean {
    return false;
  }

  tokenOf(): number {
    return 0;
  }

  giveBack(): void {}

  pass(): void {}
}
