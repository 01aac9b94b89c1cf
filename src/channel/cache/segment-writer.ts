/**
 * Fills one segment: finds room for a reply, and decides which others go for it.
 *
 * Thread: any (both ends). The worker of the lane is the one writer; its successor goes on where it
 * was killed, at any write.
 *
 *     new ──► small ring ──used──► main ring ──used──► main ring again
 *                  └──► gone, and remembered: when it comes back it begins in the main ring
 *
 * While the main ring has room everything moves there.
 *
 * S3-FIFO (Yang et al., SOSP 2023): what is asked for once passes the small ring and takes nothing
 * from what is asked for often.
 *
 * Invariants: the bytes between the tail and the head of a ring are entries, one behind the other,
 * each with its length; the head moves when an entry's bytes are there, and the slot points to them
 * after that. An entry is given up by its slot before its bytes are: see cache-segment.ts.
 */

import { ENTRY_STEP, HASH_WORD, isCodedForm, LENGTH_WORD, SLOT_WORD } from './cache-entry.js';
import type { CacheSerials } from './cache-memory.js';
import {
  BUCKET_SLOTS,
  byteOf,
  HASH,
  IS_FORM,
  layoutOf,
  MARK,
  MARK_DEAD,
  MARK_EMPTY,
  MARK_LIVE,
  MARK_PENDING,
  MARK_SOFT,
  PLACE,
  SEQUENCE,
  type SegmentLayout,
  slotAt,
  USES,
} from './cache-segment.js';

/** Entries that one new entry may have moved: the rest of the work is dropping. */
const MOVES_MAX = 32;
/** Of an empty piece at the end of a ring. */
const NO_SLOT = -1;
/** A larger part of the segment goes to no single entry. */
const LARGEST_PART = 4;

interface Ring {
  /** Floats of its positions, which grow for ever. */
  readonly headFloat: number;
  readonly tailFloat: number;
  readonly start: number;
  readonly bytes: number;
}

export class SegmentWriter {
  /** Entries that went to make room for others, since the thread began. */
  evicted = 0;

  private readonly layout: SegmentLayout;
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  private readonly bytes: Uint8Array;
  private readonly small: Ring;
  private readonly main: Ring;
  /** Hashes of what left the small ring unused. */
  private readonly ghosts: Int32Array;
  private movesLeft = 0;

  constructor(
    memory: SharedArrayBuffer,
    private readonly serials: Pick<CacheSerials, 'purges' | 'isPurgeFree'>,
  ) {
    this.layout = layoutOf(memory.byteLength);
    this.words = new Int32Array(memory);
    this.floats = new Float64Array(memory);
    this.bytes = new Uint8Array(memory);
    const { slots, smallAt, smallBytes, mainAt, mainBytes } = this.layout;
    this.small = { headFloat: 0, tailFloat: 1, start: smallAt, bytes: smallBytes };
    this.main = { headFloat: 2, tailFloat: 3, start: mainAt, bytes: mainBytes };
    this.ghosts = new Int32Array(slots);
    this.recover();
  }

  /** Entries that are longer are not stored. */
  get entryBytesMax(): number {
    return Math.floor(this.layout.mainBytes / LARGEST_PART);
  }

  /** What the thread before this one left half written, or had not allowed yet, is nothing. */
  private recover(): void {
    for (let slot = 0; slot < this.layout.slots; slot++) {
      const at = slotAt(slot);
      const isHalf = (Atomics.load(this.words, at + SEQUENCE) & 1) === 1;
      if (isHalf) this.close(at, MARK_EMPTY);
      else if (Atomics.load(this.bytes, byteOf(at, MARK)) === MARK_PENDING) this.free(slot);
    }
  }

  /** Stores an entry as pending. Its slot; -1: it is too long. */
  add(entry: Buffer): number {
    const { length } = entry;
    if (length > this.entryBytesMax) return NO_SLOT;
    this.movesLeft = MOVES_MAX;
    const hash = entry.readInt32LE(HASH_WORD * 4);
    const isKnown = this.ghosts[this.ghostAt(hash)] === hash;
    const ring = isKnown || length > this.small.bytes / LARGEST_PART ? this.main : this.small;
    return this.append(ring, entry);
  }

  /**
   * The pending entry in this slot answers from now on, unless there was a purge since their serial
   * was `purges`. A purge that is not seen here sees the entry: it is there before this looks.
   */
  allow(slot: number, purges: number, mark = MARK_LIVE): boolean {
    const at = byteOf(slotAt(slot), MARK);
    const isFree = this.serials.isPurgeFree(purges);
    const next = isFree ? mark : MARK_DEAD;
    const was = Atomics.compareExchange(this.bytes, at, MARK_PENDING, next);
    return isFree && was === MARK_PENDING;
  }

  /** The entry is pending in the slot that is returned. */
  private append(ring: Ring, entry: Buffer): number {
    const { length } = entry;
    this.makeRoom(ring, length);
    const slot = this.slotFor(entry.readInt32LE(HASH_WORD * 4));
    const head = this.position(ring.headFloat);
    const start = ring.start + (head % ring.bytes);
    entry.writeInt32LE(slot, SLOT_WORD * 4);
    this.bytes.set(entry, start);
    this.floats[ring.headFloat] = head + length;
    const at = slotAt(slot);
    this.open(at);
    Atomics.store(this.words, at + HASH, entry.readInt32LE(HASH_WORD * 4));
    Atomics.store(this.words, at + PLACE, start / ENTRY_STEP);
    Atomics.store(this.bytes, byteOf(at, USES), 0);
    Atomics.store(this.bytes, byteOf(at, IS_FORM), isCodedForm(entry) ? 1 : 0);
    this.close(at, MARK_PENDING);
    return slot;
  }

  /** So much room at the head of the ring, in one piece. */
  private makeRoom(ring: Ring, length: number): void {
    for (;;) {
      const head = this.position(ring.headFloat);
      const free = ring.bytes - (head - this.position(ring.tailFloat));
      const toEnd = ring.bytes - (head % ring.bytes);
      const skipped = length > toEnd ? toEnd : 0;
      if (skipped + length > free) {
        this.dropOldest(ring);
      } else {
        if (skipped > 0) this.skip(ring, head, skipped);
        return;
      }
    }
  }

  /** An empty piece up to the end of the ring. */
  private skip(ring: Ring, head: number, length: number): void {
    const at = (ring.start + (head % ring.bytes)) / 4;
    this.words[at + LENGTH_WORD] = length;
    this.words[at + SLOT_WORD] = NO_SLOT;
    this.floats[ring.headFloat] = head + length;
  }

  private dropOldest(ring: Ring): void {
    const tail = this.position(ring.tailFloat);
    const start = ring.start + (tail % ring.bytes);
    const length = this.wordOf(start / 4 + LENGTH_WORD);
    const slot = this.wordOf(start / 4 + SLOT_WORD);
    const isHeld = slot !== NO_SLOT && this.pointsTo(slot, start);
    const { purges } = this.serials;
    const mark = isHeld ? Atomics.load(this.bytes, byteOf(slotAt(slot), MARK)) : MARK_EMPTY;
    const isLive = mark === MARK_LIVE || mark === MARK_SOFT;
    const uses = isLive ? Atomics.load(this.bytes, byteOf(slotAt(slot), USES)) : 0;
    const isWorthIt = uses > 0 || (isLive && ring === this.small && this.hasRoom(length));
    const isKept = isWorthIt && this.movesLeft > 0;
    // Copied before the slot gives it up: what comes next may take its bytes.
    const copy = isKept ? Buffer.from(this.bytes.subarray(start, start + length)) : null;
    if (isHeld) this.free(slot);
    this.floats[ring.tailFloat] = tail + length;
    if (copy === null) {
      if (isHeld) this.onDropped(ring, this.wordOf(start / 4 + HASH_WORD));
      return;
    }
    this.movesLeft -= 1;
    const moved = this.append(this.main, copy);
    if (ring === this.main) Atomics.store(this.bytes, byteOf(slotAt(moved), USES), uses - 1);
    // What a purge has killed since the mark was read stays dead.
    this.allow(moved, purges, mark);
  }

  /** Whether the main ring takes so much without dropping anything. */
  private hasRoom(length: number): boolean {
    const { headFloat, tailFloat, bytes } = this.main;
    const used = this.position(headFloat) - this.position(tailFloat);
    // As much again may be skipped at the end of the ring.
    return used + 2 * length <= bytes;
  }

  private onDropped(ring: Ring, hash: number): void {
    this.evicted += 1;
    if (ring === this.small) this.ghosts[this.ghostAt(hash)] = hash;
  }

  private pointsTo(slot: number, start: number): boolean {
    const at = slotAt(slot);
    const isUsed = Atomics.load(this.bytes, byteOf(at, MARK)) !== MARK_EMPTY;
    return isUsed && Atomics.load(this.words, at + PLACE) === start / ENTRY_STEP;
  }

  /** A free slot of the bucket; where there is none, that of the least useful entry. */
  private slotFor(hash: number): number {
    const buckets = this.layout.slots / BUCKET_SLOTS;
    const first = (hash & (buckets - 1)) * BUCKET_SLOTS;
    let worst = first;
    let least = Number.POSITIVE_INFINITY;
    for (let slot = first; slot < first + BUCKET_SLOTS; slot++) {
      const at = slotAt(slot);
      const mark = Atomics.load(this.bytes, byteOf(at, MARK));
      if (mark === MARK_EMPTY) return slot;
      const uses = mark === MARK_DEAD ? -1 : Atomics.load(this.bytes, byteOf(at, USES));
      if (uses >= least) continue;
      worst = slot;
      least = uses;
    }
    this.free(worst);
    this.evicted += 1;
    return worst;
  }

  private free(slot: number): void {
    const at = slotAt(slot);
    this.open(at);
    this.close(at, MARK_EMPTY);
  }

  private open(at: number): void {
    Atomics.add(this.words, at + SEQUENCE, 1);
  }

  private close(at: number, mark: number): void {
    if (mark === MARK_EMPTY) Atomics.store(this.words, at + HASH, 0);
    Atomics.store(this.bytes, byteOf(at, MARK), mark);
    Atomics.add(this.words, at + SEQUENCE, 1);
  }

  private ghostAt(hash: number): number {
    return hash & (this.ghosts.length - 1);
  }

  private position(float: number): number {
    return this.floats[float] as number;
  }

  private wordOf(at: number): number {
    return this.words[at] as number;
  }
}
