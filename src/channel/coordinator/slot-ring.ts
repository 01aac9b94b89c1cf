/**
 * A single-producer single-consumer ring of fixed slots in shared memory.
 *
 * Thread: any (both ends). The producer fills any number of slots, then publishes them with one
 * store; the consumer reads up to the published position and gives the slots back with one store.
 *
 *     control block (512 bytes)                       slots (a power of two, 128 bytes each)
 *     +0    head    written by the consumer           ┌────────┬────────┬────────┬─────┐
 *     +128  tail    written by the producer           │ slot 0 │ slot 1 │ slot 2 │ …   │
 *     +256  parked  the consumer sleeps               └────────┴────────┴────────┴─────┘
 *     +384  (free)
 *
 * Positions are free-running 32-bit numbers; `& mask` makes them slot indexes. Each of the three
 * words has 128 bytes to itself, so that the ends do not take cache lines from one another. A new
 * end on old memory goes on at the published positions: zeroed memory is an empty ring. Invariant:
 * 0 <= tail - head <= slotCount (in wrapping arithmetic).
 */
import { assert } from '../../base/assert.js';

export const SLOT_WORDS = 32;
const SLOT_RING_CONTROL_WORDS = 128;
/** What `claim` and `next` return when there is no slot. */
export const NO_SLOT = -1;

const HEAD_WORD = 0;
const TAIL_WORD = 32;
const PARKED_WORD = 64;
const SLOT_SHIFT = 5;
const WORD_BYTES = 4;
const SLOT_COUNT_MAX = 1 << 20;

/** Fresh memory of a ring with this many slots. */
export function allocateSlotRing(slotCount: number): SharedArrayBuffer {
  assert(isPowerOfTwo(slotCount), 'a ring has a power of two of slots');
  assert(slotCount <= SLOT_COUNT_MAX, 'a ring has at most a million slots');
  const words = SLOT_RING_CONTROL_WORDS + slotCount * SLOT_WORDS;
  return new SharedArrayBuffer(words * WORD_BYTES);
}

abstract class SlotRingEnd {
  /** A slot is the {@link SLOT_WORDS} words from the base that `claim` or `next` returned. */
  readonly words: Int32Array;
  readonly slotCount: number;
  protected readonly mask: number;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.slotCount = (this.words.length - SLOT_RING_CONTROL_WORDS) / SLOT_WORDS;
    assert(isPowerOfTwo(this.slotCount), 'the buffer holds a power of two of slots');
    this.mask = this.slotCount - 1;
  }

  protected baseOf(position: number): number {
    return SLOT_RING_CONTROL_WORDS + ((position & this.mask) << SLOT_SHIFT);
  }
}

/**
 * The writing end. Hot path, watched by bench/channel/coordinator-round-trip: every ask and reply.
 */
export class SlotRingProducer extends SlotRingEnd {
  /** The published tail plus the slots that are claimed and not yet published. */
  private tail: number;
  private publishedTail: number;
  /** The consumer's head as this end last read it; read again only when the ring looks full. */
  private headSeen: number;

  constructor(buffer: SharedArrayBuffer) {
    super(buffer);
    this.tail = Atomics.load(this.words, TAIL_WORD);
    this.publishedTail = this.tail;
    this.headSeen = Atomics.load(this.words, HEAD_WORD);
    const used = (this.tail - this.headSeen) | 0;
    assert(used >= 0 && used <= this.slotCount, 'the tail is ahead of the head by a ring at most');
  }

  /** The base of the next slot, which the caller fills, or {@link NO_SLOT}. */
  claim(): number {
    if (!this.hasRoom()) return NO_SLOT;
    const base = this.baseOf(this.tail);
    this.tail = (this.tail + 1) | 0;
    return base;
  }

  hasRoom(): boolean {
    if (((this.tail - this.headSeen) | 0) < this.slotCount) return true;
    return this.countUsed() < this.slotCount;
  }

  /** Makes the claimed slots visible; false when there were none. */
  publish(): boolean {
    if (this.tail === this.publishedTail) return false;
    this.publishedTail = this.tail;
    Atomics.store(this.words, TAIL_WORD, this.tail);
    return true;
  }

  /** Slots that the consumer has not given back, claimed ones included. */
  countUsed(): number {
    this.headSeen = Atomics.load(this.words, HEAD_WORD);
    const used = (this.tail - this.headSeen) | 0;
    assert(used >= 0 && used <= this.slotCount, 'the consumer is behind the producer');
    return used;
  }

  /** The bases of the slots that were published last, at most `countMax`, the newest first. */
  lastPublished(countMax: number): number[] {
    const count = Math.min(countMax, this.slotCount);
    return Array.from({ length: count }, (_, back) => this.baseOf(this.publishedTail - 1 - back));
  }

  /** Whether the consumer had parked. The caller that gets true must wake it: nobody else will. */
  takeParked(): boolean {
    return Atomics.exchange(this.words, PARKED_WORD, 0) === 1;
  }
}

/**
 * The reading end. Hot path, watched by bench/channel/coordinator-round-trip: every ask and reply.
 */
export class SlotRingConsumer extends SlotRingEnd {
  /** The published head plus the slots that were read and not yet given back. */
  private head: number;
  private publishedHead: number;
  /** The producer's tail as this end last read it; read again only when the ring looks empty. */
  private tailSeen: number;

  constructor(buffer: SharedArrayBuffer) {
    super(buffer);
    this.head = Atomics.load(this.words, HEAD_WORD);
    this.publishedHead = this.head;
    this.tailSeen = Atomics.load(this.words, TAIL_WORD);
    const waiting = (this.tailSeen - this.head) | 0;
    assert(waiting >= 0 && waiting <= this.slotCount, 'the head is behind the tail');
  }

  /**
   * The base of the next slot to read, or {@link NO_SLOT}. The slot is this end's until {@link
   * release}.
   */
  next(): number {
    if (this.head === this.tailSeen && this.isEmpty()) return NO_SLOT;
    const base = this.baseOf(this.head);
    this.head = (this.head + 1) | 0;
    return base;
  }

  /** Gives the slots that were read back to the producer. */
  release(): void {
    if (this.head === this.publishedHead) return;
    this.publishedHead = this.head;
    Atomics.store(this.words, HEAD_WORD, this.head);
  }

  /** Reads the producer's tail anew. */
  isEmpty(): boolean {
    this.tailSeen = Atomics.load(this.words, TAIL_WORD);
    const waiting = (this.tailSeen - this.head) | 0;
    assert(waiting >= 0 && waiting <= this.slotCount, 'the producer is ahead of the consumer');
    return waiting === 0;
  }

  /** Skips everything published so far: it was meant for an earlier consumer. */
  skipAll(): void {
    this.tailSeen = Atomics.load(this.words, TAIL_WORD);
    this.head = this.tailSeen;
    this.release();
  }

  /**
   * Says that the consumer is about to sleep. True: it may sleep, and the producer's next publish
   * wakes it. False: there is something to read.
   */
  park(): boolean {
    Atomics.store(this.words, PARKED_WORD, 1);
    if (this.isEmpty()) return true;
    Atomics.store(this.words, PARKED_WORD, 0);
    return false;
  }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;
}
