/**
 * The memory of stored replies, which all workers share.
 *
 * Thread: any (both ends). The supervisor allocates it and keeps it, so that it outlives every
 * thread. Each lane has a segment of its own, which only the worker of that lane fills; everybody
 * reads all of them. What has no single writer stands in the control memory, where each word is
 * changed by one atomic operation.
 *
 *     control, int32 each
 *     +0     serial of purges: odd while there is one
 *     +8     the number of the reply that was stored last, int64
 *     +16    leases of fetches, see fetch-leases.ts
 *     …      serials of places: what is stored under a place is good only under its serial
 */
import { assert } from '../../base/assert.js';
import { relayBytes } from './reply-relays.js';

/** The serials of places: one for each class of hashes. */
const PLACES = 1 << 16;
export const LEASE_WORDS = 4;
export const LEASES = 4096;
const NUMBER_AT = 8;
const LEASES_AT = 16;
const PASSES_AT = LEASES_AT + LEASES * LEASE_WORDS;
const PLACES_AT = PASSES_AT + LEASES;
const CONTROL_BYTES = (PLACES_AT + PLACES) * 4;
const SEGMENT_STEP = 4096;
/** Rings of relays: long enough for what a target sends between two looks. */
const RING_BYTES_MAX = 64 * 1024;
const RING_BYTES_MIN = 4096;
/** A smaller part would hold next to nothing. */
const SEGMENT_BYTES_MIN = 64 * 1024;

export interface CacheMemory {
  readonly control: SharedArrayBuffer;
  /** By lane. */
  readonly segments: readonly SharedArrayBuffer[];
  /** By lane: see reply-relays.ts. */
  readonly relays: readonly SharedArrayBuffer[];
}

/** `bytes` is all that it may take; memory that holds nothing yet is only reserved. */
export function allocateCache(lanes: number, bytes: number): CacheMemory {
  assert(lanes > 0, 'there is a lane');
  const ofLane = (bytes - CONTROL_BYTES) / lanes;
  const relays = relayBytes(ringBytesOf(ofLane));
  const each = Math.floor((ofLane - relays) / SEGMENT_STEP) * SEGMENT_STEP;
  const size = Math.max(SEGMENT_BYTES_MIN, each);
  return {
    control: new SharedArrayBuffer(CONTROL_BYTES),
    segments: Array.from({ length: lanes }, () => new SharedArrayBuffer(size)),
    relays: Array.from({ length: lanes }, () => new SharedArrayBuffer(relays)),
  };
}

/** A small part of what a lane has, so that a small cache has room for replies as well. */
function ringBytesOf(ofLane: number): number {
  const wanted = Math.min(RING_BYTES_MAX, Math.max(RING_BYTES_MIN, ofLane / 64));
  return 2 ** Math.floor(Math.log2(wanted));
}

/** Serials by which stored replies become void, at once and everywhere. */
export class CacheSerials {
  private readonly words: Int32Array;
  private readonly numbers: BigInt64Array;

  constructor({ control }: Pick<CacheMemory, 'control'>) {
    this.words = new Int32Array(control);
    this.numbers = new BigInt64Array(control, NUMBER_AT, 1);
  }

  /** Of a reply that is to be stored: no other has had it. */
  nextNumber(): number {
    return Number(Atomics.add(this.numbers, 0, 1n)) + 1;
  }

  /** Moves when a purge begins and when it ends: odd while there is one. */
  get purges(): number {
    return Atomics.load(this.words, 0);
  }

  /** Whether no purge has gone on since their serial was this. */
  isPurgeFree(purges: number): boolean {
    return (purges & 1) === 0 && this.purges === purges;
  }

  /** One purge at a time: there is one thread that purges. */
  purge(work: () => void): void {
    Atomics.add(this.words, 0, 1);
    try {
      work();
    } finally {
      Atomics.add(this.words, 0, 1);
    }
  }

  /** The serial of the place to which this hash belongs. */
  of(hash: number): number {
    return Atomics.load(this.words, PLACES_AT + (hash & (PLACES - 1)));
  }

  /** All that is stored under the place is void. */
  move(hash: number): void {
    Atomics.add(this.words, PLACES_AT + (hash & (PLACES - 1)), 1);
  }
}

/** Where the leases lie, and the keys that are known not to be stored. */
export function leaseWords({ control }: Pick<CacheMemory, 'control'>): {
  readonly leases: Int32Array;
  readonly passes: Int32Array;
} {
  return {
    leases: new Int32Array(control, LEASES_AT * 4, LEASES * LEASE_WORDS),
    passes: new Int32Array(control, PASSES_AT * 4, LEASES),
  };
}
