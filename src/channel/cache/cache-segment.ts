/**
 * One lane's part of the stored replies, as everybody reads it.
 *
 * Thread: any (both ends). segment-writer.ts is the one writer.
 *
 *     +0     positions of the two rings, float64 each, see RING_*
 *     +256   slots, 16 bytes each, eight to a bucket
 *            +0 sequence: odd while it is written   +4 hash of the key   +8 place / 32
 *            +12 mark   +13 uses   +14 1: a coded form, a byte each
 *     …      the small ring, then the main ring: entries, see cache-entry.ts
 *
 * Invariants:
 * - A slot and the bytes that it points to are written only while its sequence is odd, or while no
 *   slot points to them. So what was copied between two equal, even sequences is whole.
 * - A reader writes marks and uses only, one word each, which may hit a slot that has changed hands
 *   meanwhile: that costs an entry or its place in line, and never shows one for another.
 * - Only an entry whose mark is live or soft answers anybody.
 */
import { assert } from '../../base/assert.js';
import {
  bodyBytesOf,
  decodeHead,
  ENTRY_STEP,
  type EntryHead,
  headBytesAt,
  isCodedForm,
  LENGTH_WORD,
  numberOf,
} from './cache-entry.js';
import type { DecodedHead, DecodedHeads } from './decoded-heads.js';
import type { HotBodies } from './hot-bodies.js';
import type { LongBodies } from './long-bodies.js';

const SLOTS_AT = 256;
const SLOT_WORDS = 4;
export const BUCKET_SLOTS = 8;
export const SEQUENCE = 0;
export const HASH = 1;
export const PLACE = 2;
/** Bytes of a slot. */
export const MARK = 12;
export const USES = 13;
export const IS_FORM = 14;

export const MARK_EMPTY = 0;
/** Stored, and not yet known to be allowed. */
export const MARK_PENDING = 1;
export const MARK_LIVE = 2;
/** Made stale by a soft purge. */
export const MARK_SOFT = 3;
export const MARK_DEAD = 4;

const USES_MAX = 3;

/** No head is longer: key and fields are parts of heads of messages, which are bounded. */
const HEAD_BYTES_MAX = 1024 * 1024;

/** A word of this thread, which nobody reads. */
const FENCE = new Int32Array(1);

/** There is a slot for each of these pieces. */
const BYTES_PER_SLOT = 384;
const SLOTS_MIN = 64;
/** Slots that are counted without a pause: well under a millisecond. */
const SLOTS_PER_STEP = 16_384;
/** The part of the small ring. */
const SMALL_PARTS = 10;

/** Where what lies in a segment. */
export interface SegmentLayout {
  readonly slots: number;
  readonly smallAt: number;
  readonly smallBytes: number;
  readonly mainAt: number;
  readonly mainBytes: number;
}

export function layoutOf(bytes: number): SegmentLayout {
  const wanted = Math.max(SLOTS_MIN, bytes / BYTES_PER_SLOT);
  const slots = 2 ** Math.floor(Math.log2(wanted));
  const smallAt = SLOTS_AT + slots * SLOT_WORDS * 4;
  const steps = Math.floor((bytes - smallAt) / ENTRY_STEP);
  const smallBytes = Math.floor(steps / SMALL_PARTS) * ENTRY_STEP;
  const mainBytes = steps * ENTRY_STEP - smallBytes;
  return { slots, smallAt, smallBytes, mainAt: smallAt + smallBytes, mainBytes };
}

/** The first word of a slot. */
export function slotAt(slot: number): number {
  return SLOTS_AT / 4 + slot * SLOT_WORDS;
}

/** The byte of a slot, by its first word. */
export function byteOf(at: number, byte: number): number {
  return at * 4 + byte;
}

/** What lies in a segment. `entries` are replies; `bytes`: with their coded forms. */
export interface SegmentCount {
  readonly entries: number;
  readonly bytes: number;
}

/** A stored reply as one reader has found it. */
export interface FoundEntry {
  /** Where it lies. */
  readonly segment: CacheSegment;
  readonly slot: number;
  readonly head: EntryHead;
  readonly bodyBytes: number;
  /** Which reply it is, or belongs to: see cache-entry.ts. */
  readonly number: number;
  readonly isForm: boolean;
  /** A soft purge has made it stale. */
  readonly isSoft: boolean;
  /**
   * null: it has gone since. `isForThisTurn`: it goes out before the turn ends, so that it may lie
   * in a block that others share: see hot-bodies.ts. Others may have the same copy: nobody writes
   * into it.
   */
  copyBody(isForThisTurn?: boolean): Buffer | null;
  /** It answered: it stays longer. */
  use(): void;
  /** Nobody gets it any more. */
  kill(): void;
}

/** What one thread remembers of the segments that it reads. */
export interface ReadMemories {
  readonly heads: DecodedHeads;
  /** null: it sends none. */
  readonly bodies: HotBodies | null;
  readonly longBodies: LongBodies;
}

export class CacheSegment {
  /** All that it may take. */
  readonly bytesMax: number;
  readonly layout: SegmentLayout;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;

  /** `index`: of the segment; `memories`: of this thread; null: it reads each entry once. */
  constructor(
    memory: SharedArrayBuffer,
    readonly index = 0,
    private readonly memories: ReadMemories | null = null,
  ) {
    this.bytesMax = memory.byteLength;
    this.layout = layoutOf(memory.byteLength);
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
  }

  /** Adds to `found` the entries whose keys have this hash. */
  find(hash: number, found: FoundEntry[]): void {
    const buckets = this.layout.slots / BUCKET_SLOTS;
    const first = (hash & (buckets - 1)) * BUCKET_SLOTS;
    for (let slot = first; slot < first + BUCKET_SLOTS; slot++) {
      const at = slotAt(slot);
      if (Atomics.load(this.words, at + HASH) !== hash) continue;
      const entry = this.read(slot, hash);
      if (entry !== null) found.push(entry);
    }
  }

  /** Calls for every reply there is; with `isForm` for every coded form. */
  forEach(visit: (entry: FoundEntry, soften: () => void) => void, isForm = false): void {
    for (let slot = 0; slot < this.layout.slots; slot++) {
      const at = slotAt(slot);
      if ((Atomics.load(this.bytes, byteOf(at, IS_FORM)) === 1) !== isForm) continue;
      const entry = this.read(slot, Atomics.load(this.words, at + HASH), true);
      if (entry === null || entry.isForm !== isForm) continue;
      visit(entry, () => this.mark(at, MARK_LIVE, MARK_SOFT));
    }
  }

  /** Replies, and the bytes of all entries. */
  count(): SegmentCount {
    const walk = this.walk();
    let step = walk.next();
    while (step.done !== true) step = walk.next();
    return step.value;
  }

  /** The same, with places to pause. */
  *walk(): Generator<undefined, SegmentCount> {
    let entries = 0;
    let bytes = 0;
    for (let slot = 0; slot < this.layout.slots; slot++) {
      if (slot % SLOTS_PER_STEP === SLOTS_PER_STEP - 1) yield;
      const at = slotAt(slot);
      const sequence = Atomics.load(this.words, at + SEQUENCE);
      const mark = Atomics.load(this.bytes, byteOf(at, MARK));
      if (mark !== MARK_LIVE && mark !== MARK_SOFT) continue;
      const isForm = Atomics.load(this.bytes, byteOf(at, IS_FORM)) === 1;
      const entry = (Atomics.load(this.words, at + PLACE) * ENTRY_STEP) / 4;
      const length = this.words[entry + LENGTH_WORD] as number;
      if (this.hasChanged(at, sequence)) continue;
      if (!isForm) entries += 1;
      bytes += length;
    }
    return { entries, bytes };
  }

  private read(slot: number, hash: number, takesPending = false): FoundEntry | null {
    const { words } = this;
    const at = slotAt(slot);
    const sequence = Atomics.load(words, at + SEQUENCE);
    if ((sequence & 1) === 1) return null;
    const mark = Atomics.load(this.bytes, byteOf(at, MARK));
    const isAsked = mark === MARK_LIVE || mark === MARK_SOFT;
    if (!isAsked && !(takesPending && mark === MARK_PENDING)) return null;
    const start = Atomics.load(words, at + PLACE) * ENTRY_STEP;
    const isHash = Atomics.load(words, at + HASH) === hash;
    if (!isHash || Atomics.load(words, at + SEQUENCE) !== sequence) return null;
    const decoded =
      this.memories?.heads.find(this.index, slot, sequence) ?? this.decode(slot, sequence, start);
    if (decoded === null) return null;
    const bodyAt = start + decoded.headBytes;
    const place = { slot, at, sequence, bodyAt, isSoft: mark === MARK_SOFT };
    return new SegmentEntry(this, place, decoded);
  }

  private decode(slot: number, sequence: number, start: number): DecodedHead | null {
    // Whatever it is while another entry is written there: then what is copied is not looked at.
    const headBytes = headBytesAt(this.words, start / 4);
    if (headBytes < 0 || headBytes > HEAD_BYTES_MAX) return null;
    const copy = Buffer.from(this.bytes.subarray(start, start + headBytes));
    if (this.hasChanged(slotAt(slot), sequence)) return null;
    const decoded = {
      head: decodeHead(copy),
      headBytes,
      bodyBytes: bodyBytesOf(copy),
      number: numberOf(copy),
      isForm: isCodedForm(copy),
    };
    this.memories?.heads.keep(this.index, slot, sequence, decoded);
    return decoded;
  }

  copyBody(place: EntryPlace, bodyBytes: number, isForThisTurn: boolean): Buffer | null {
    const { slot, sequence, bodyAt } = place;
    assert(bodyAt + bodyBytes <= this.bytes.length, 'a body lies within its segment');
    const bodies = isForThisTurn ? (this.memories?.bodies ?? null) : null;
    if (bodies?.takes(bodyBytes) === true) {
      const known = bodies.find(this.index, slot, sequence);
      if (known !== null) return known;
      const block = bodies.borrow(this.index, slot, sequence);
      if (block !== null) return this.fillBlock(place, block.subarray(0, bodyBytes), bodies);
    }
    return this.copyAlone(place, bodyBytes);
  }

  private copyAlone(place: EntryPlace, bodyBytes: number): Buffer | null {
    const { slot, at, sequence, bodyAt } = place;
    const longBodies = this.memories?.longBodies ?? null;
    const isLong = longBodies?.takes(bodyBytes) === true;
    const known = isLong ? longBodies.find(this.index, slot, sequence) : null;
    if (known !== null) return known;
    const body = Buffer.from(this.bytes.subarray(bodyAt, bodyAt + bodyBytes));
    if (this.hasChanged(at, sequence)) return null;
    if (isLong) longBodies.keep(this.index, slot, sequence, body);
    return body;
  }

  private fillBlock(place: EntryPlace, body: Buffer, bodies: HotBodies): Buffer | null {
    const { slot, at, sequence, bodyAt } = place;
    body.set(this.bytes.subarray(bodyAt, bodyAt + body.length));
    if (this.hasChanged(at, sequence)) {
      bodies.drop(this.index, slot);
      return null;
    }
    bodies.keep(this.index, slot, body);
    return body;
  }

  /**
   * Whether what was copied may be of two entries. A load that is atomic lets plain loads before it
   * come after it (ARM, Power); a store that is atomic does not, and this load not before that.
   */
  private hasChanged(at: number, sequence: number): boolean {
    Atomics.store(FENCE, 0, 0);
    return Atomics.load(this.words, at + SEQUENCE) !== sequence;
  }

  use(at: number): void {
    const uses = Atomics.load(this.bytes, byteOf(at, USES));
    if (uses < USES_MAX) Atomics.store(this.bytes, byteOf(at, USES), uses + 1);
  }

  kill(at: number, sequence: number): void {
    if (Atomics.load(this.words, at + SEQUENCE) !== sequence) return;
    for (const mark of [MARK_PENDING, MARK_LIVE, MARK_SOFT]) this.mark(at, mark, MARK_DEAD);
  }

  private mark(at: number, from: number, to: number): void {
    Atomics.compareExchange(this.bytes, byteOf(at, MARK), from, to);
  }
}

/** Where an entry lies, as long as its sequence is this. */
interface EntryPlace {
  readonly slot: number;
  /** The first word of the slot. */
  readonly at: number;
  readonly sequence: number;
  readonly bodyAt: number;
  readonly isSoft: boolean;
}

class SegmentEntry implements FoundEntry {
  readonly slot: number;
  readonly head: EntryHead;
  readonly bodyBytes: number;
  readonly number: number;
  readonly isForm: boolean;
  readonly isSoft: boolean;

  constructor(
    readonly segment: CacheSegment,
    private readonly place: EntryPlace,
    { head, bodyBytes, number, isForm }: DecodedHead,
  ) {
    this.slot = place.slot;
    this.head = head;
    this.bodyBytes = bodyBytes;
    this.number = number;
    this.isForm = isForm;
    this.isSoft = place.isSoft;
  }

  copyBody(isForThisTurn = false): Buffer | null {
    return this.segment.copyBody(this.place, this.bodyBytes, isForThisTurn);
  }

  use(): void {
    this.segment.use(this.place.at);
  }

  kill(): void {
    this.segment.kill(this.place.at, this.place.sequence);
  }
}
