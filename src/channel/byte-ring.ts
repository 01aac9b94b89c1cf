/**
 * A single-producer single-consumer ring of variable-length records in shared memory.
 *
 * Thread: any (both ends). The producer writes any number of records, then publishes them with one
 * store; the consumer reads up to the published position and gives the space back with one store.
 *
 *     control block (512 bytes)                 data (a power of two)
 *     +0    head      written by the consumer   ┌────────┬──────────────┬─────────┬──────┐
 *     +128  tail      written by the producer   │ record │ record       │ padding │ …    │
 *     +256  parked    the consumer sleeps       └────────┴──────────────┴─────────┴──────┘
 *     +384  starved   the producer waits for space
 *
 *     record: 16-byte header, payload, filled up to a multiple of 8
 *     +0 length (header and payload)   +4 kind and flags   +8 exchange index   +12 generation
 *
 * Beside head the consumer writes, before each record, how far it has begun. Nobody has touched a
 * record behind that point, even if the consumer ended in the middle of its work.
 *
 * When the ring is empty and its position far from the start, the producer jumps to the next start
 * (JUMP_FROM, JUMP_TO beside the tail) and the consumer follows. The producer writes the two words
 * before a tail that lies behind them, and writes them again only after the consumer has jumped:
 * the consumer never sees one new word and one old word.
 *
 * Positions are free-running 32-bit numbers; `& mask` makes them offsets. A record never straddles
 * the end: a padding record fills the rest.
 * Invariant: 0 <= tail - head <= capacity (in wrapping arithmetic, the head behind its jump).
 */
import { assert } from '../base/assert.js';
import { copyBytes } from '../base/copy-bytes.js';
import { flagsOf, kindOf } from './record-header.js';

export const RING_CONTROL_BYTES = 512;
export const RECORD_HEADER_BYTES = 16;

const HEAD_WORD = 0;
const BEGUN_WORD = 1;
const TAIL_WORD = 32;
const JUMP_FROM_WORD = 33;
const JUMP_TO_WORD = 34;
const PARKED_WORD = 64;
const STARVED_WORD = 96;
const ALIGNMENT = 8;
/**
 * Beyond this position an empty ring goes back to its start. Two rings of this size, one each way,
 * fit the cache of a core.
 */
const REWIND_BYTES = 64 * 1024;
/** Never a position, since positions are multiples of 8. */
const NO_POSITION = 1;
const KIND_PADDING = 0;

/** Bytes of shared memory that a ring of this capacity needs. */
export function byteRingBytes(capacity: number): number {
  return RING_CONTROL_BYTES + capacity;
}

/** The memory that both ends of a ring look at. */
export interface ByteRingMemory {
  readonly buffer: SharedArrayBuffer;
  /** Where the control block begins; a multiple of 128. */
  readonly offset: number;
  /** Data bytes; a power of two. */
  readonly capacity: number;
}

/** The consumer calls this for each record. The payload is valid only inside the call. */
export interface RecordHandler {
  onRecord(kind: number, flags: number, index: number, generation: number): void;
}

abstract class ByteRingEnd {
  /** Views of the whole buffer: positions of payloads are absolute byte offsets in these views. */
  readonly sharedBytes: Buffer;
  readonly sharedInts: Int32Array;
  readonly sharedFloats: Float64Array;
  protected readonly control: Int32Array;
  protected readonly dataOffset: number;
  protected readonly mask: number;
  readonly capacity: number;

  constructor(memory: ByteRingMemory) {
    const { buffer, offset, capacity } = memory;
    assert((capacity & (capacity - 1)) === 0 && capacity >= 1024, 'capacity is a power of two');
    assert(offset % 128 === 0, 'a ring begins on its own cache lines');
    assert(offset + byteRingBytes(capacity) <= buffer.byteLength, 'the ring lies in its buffer');
    this.sharedBytes = Buffer.from(buffer);
    this.sharedInts = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    this.sharedFloats = new Float64Array(buffer, 0, buffer.byteLength >> 3);
    this.control = new Int32Array(buffer, offset, RING_CONTROL_BYTES >> 2);
    this.dataOffset = offset + RING_CONTROL_BYTES;
    this.capacity = capacity;
    this.mask = capacity - 1;
  }

  protected positionIn(word: number): number {
    return this.afterJump(Atomics.load(this.control, word));
  }

  /** The position at which the consumer goes on: behind the jump, if there is one here. */
  protected afterJump(position: number): number {
    const from = this.control[JUMP_FROM_WORD];
    return position === from ? (this.control[JUMP_TO_WORD] ?? position) : position;
  }
}

/** A record that found the ring full and waits outside the ring. */
interface QueuedRecord {
  readonly header: Int32Array;
  readonly bytes: Buffer;
}

/** A record that nobody has read; see {@link ByteRingProducer.salvage}. */
export interface SalvagedRecord {
  readonly kindAndFlags: number;
  readonly index: number;
  readonly generation: number;
  readonly payload: Buffer;
}

/**
 * The writing end. After a claim, `bytes`, `ints`, `floats` and `payload` say where the payload
 * goes; nothing is visible to the consumer before {@link publish}.
 */
export class ByteRingProducer extends ByteRingEnd {
  /** The memory of the claimed payload: the ring, or a queued record. */
  bytes: Buffer;
  ints: Int32Array;
  floats: Float64Array;
  /** Byte offset of the claimed payload in these views; a multiple of 8. */
  payload = 0;

  private tail: number;
  private publishedTail: number;
  private knownHead: number;
  private readonly rewindBytes: number;
  private queue: QueuedRecord[] = [];
  private queuedBytes = 0;

  constructor(memory: ByteRingMemory) {
    super(memory);
    this.bytes = this.sharedBytes;
    this.ints = this.sharedInts;
    this.floats = this.sharedFloats;
    this.tail = Atomics.load(this.control, TAIL_WORD);
    this.publishedTail = this.tail;
    this.knownHead = this.positionIn(HEAD_WORD);
    this.rewindBytes = Math.min(REWIND_BYTES, this.capacity >> 1);
  }

  /** The largest payload that one record may have. */
  get payloadBytesMax(): number {
    return (this.capacity >> 2) - RECORD_HEADER_BYTES;
  }

  /** Bytes that wait outside the full ring. */
  get backlogBytes(): number {
    return this.queuedBytes;
  }

  /** Bytes in the ring that the consumer has not read yet. For figures, not for a hot path. */
  get usedBytes(): number {
    return (this.tail - this.positionIn(HEAD_WORD)) | 0;
  }

  /**
   * Claims a record. A record that finds the ring full is queued, and enters the ring at a later
   * publish, in order. The caller bounds how much can queue: by windows, and by `backlogBytes` for
   * heads.
   */
  claim(kindAndFlags: number, index: number, generation: number, payloadBytes: number): void {
    if (this.queue.length === 0) {
      if (this.claimInRing(kindAndFlags, index, generation, payloadBytes)) return;
    }
    const memory = new ArrayBuffer((payloadBytes + ALIGNMENT - 1) & -ALIGNMENT);
    this.bytes = Buffer.from(memory, 0, payloadBytes);
    this.ints = new Int32Array(memory);
    this.floats = new Float64Array(memory);
    this.payload = 0;
    const header = Int32Array.of(kindAndFlags, index, generation);
    this.queue.push({ header, bytes: this.bytes });
    this.queuedBytes += payloadBytes;
  }

  // Hot path, watched by bench/channel/one-to-one-throughput: every record of every request.
  private claimInRing(
    kindAndFlags: number,
    index: number,
    generation: number,
    payloadBytes: number,
  ): boolean {
    const length = RECORD_HEADER_BYTES + payloadBytes;
    const padded = (length + ALIGNMENT - 1) & -ALIGNMENT;
    assert(padded <= this.capacity >> 2, 'a record is at most a quarter of the ring');
    let at = this.tail & this.mask;
    const isRewound = at >= this.rewindBytes && this.tryRewind(at);
    if (isRewound) at = 0;
    const toEnd = this.capacity - at;
    const padding = toEnd < padded ? toEnd : 0;
    if (!this.hasSpace(padded + padding)) return false;
    const ints = this.sharedInts;
    if (padding > 0) {
      const word = (this.dataOffset + at) >> 2;
      ints[word] = padding;
      ints[word + 1] = KIND_PADDING;
      this.tail = (this.tail + padding) | 0;
      at = 0;
    }
    // A lap has ended, and there is space here, so the consumer is past the last jump.
    if (at === 0 && !isRewound) this.control[JUMP_FROM_WORD] = NO_POSITION;
    const start = this.dataOffset + at;
    const word = start >> 2;
    ints[word] = length;
    ints[word + 1] = kindAndFlags;
    ints[word + 2] = index;
    ints[word + 3] = generation;
    this.tail = (this.tail + padded) | 0;
    this.bytes = this.sharedBytes;
    this.ints = ints;
    this.floats = this.sharedFloats;
    this.payload = start + RECORD_HEADER_BYTES;
    return true;
  }

  /**
   * Lets an empty ring begin at its start again. Little traffic then passes through the same few
   * pages, which stay in the cache, and a ring that is large for busy times costs no memory in
   * quiet times. The consumer makes the same jump when it gets there; until then its head lags
   * behind the producer's position.
   */
  private tryRewind(at: number): boolean {
    this.knownHead = Atomics.load(this.control, HEAD_WORD);
    if (this.knownHead !== this.tail) return false;
    const start = (this.tail + this.capacity - at) | 0;
    this.control[JUMP_TO_WORD] = start;
    this.control[JUMP_FROM_WORD] = this.tail;
    this.tail = start;
    this.knownHead = start;
    return true;
  }

  private hasSpace(bytes: number): boolean {
    if (((this.tail - this.knownHead) | 0) + bytes <= this.capacity) return true;
    this.knownHead = this.positionIn(HEAD_WORD);
    return ((this.tail - this.knownHead) | 0) + bytes <= this.capacity;
  }

  /**
   * Makes all claimed records visible. True: the consumer sleeps and must be woken. The call marks
   * it as awake, so that only one of many publishes wakes it.
   */
  publish(): boolean {
    if (this.queue.length > 0) this.moveQueueIntoRing();
    if (this.tail === this.publishedTail) return false;
    Atomics.store(this.control, TAIL_WORD, this.tail);
    this.publishedTail = this.tail;
    if (Atomics.load(this.control, PARKED_WORD) === 0) return false;
    return Atomics.exchange(this.control, PARKED_WORD, 0) === 1;
  }

  /**
   * For the producer of a ring whose consumer has ended: calls `visit` for every record that the
   * consumer has not begun, in order, published or not. Views are valid inside the call only.
   */
  salvage(visit: (record: SalvagedRecord) => void): void {
    const ints = this.sharedInts;
    for (let at = this.positionIn(BEGUN_WORD); at !== this.tail; ) {
      const start = this.dataOffset + (at & this.mask);
      const [length = 0, kindAndFlags = 0, index = 0, generation = 0] = ints.subarray(start >> 2);
      assert(length >= 8 && length <= this.capacity, 'a record has a sane length');
      at = (at + ((length + ALIGNMENT - 1) & -ALIGNMENT)) | 0;
      if (kindOf(kindAndFlags) === KIND_PADDING) continue;
      const payload = this.sharedBytes.subarray(start + RECORD_HEADER_BYTES, start + length);
      visit({ kindAndFlags, index, generation, payload });
    }
    for (const { header, bytes } of this.queue) {
      const [kindAndFlags = 0, index = 0, generation = 0] = header;
      visit({ kindAndFlags, index, generation, payload: bytes });
    }
  }

  /**
   * Index of the exchange whose record the consumer was reading when it ended; -1: it was reading
   * none.
   */
  get indexAtEnd(): number {
    const begun = this.positionIn(BEGUN_WORD);
    let index = -1;
    for (let at = this.positionIn(HEAD_WORD); at !== begun; ) {
      const word = (this.dataOffset + (at & this.mask)) >> 2;
      const length = this.sharedInts[word] ?? 0;
      const kind = kindOf(this.sharedInts[word + 1] ?? 0);
      if (kind !== KIND_PADDING) index = this.sharedInts[word + 2] ?? -1;
      at = (at + ((length + ALIGNMENT - 1) & -ALIGNMENT)) | 0;
    }
    return index;
  }

  private moveQueueIntoRing(): void {
    let moved = this.moveWhileSpace(0);
    if (moved < this.queue.length) {
      // The request for a wake comes before the second look, so that space given back in between is
      // not missed.
      Atomics.store(this.control, STARVED_WORD, 1);
      moved = this.moveWhileSpace(moved);
      if (moved === this.queue.length) Atomics.store(this.control, STARVED_WORD, 0);
    }
    if (moved > 0) this.queue.splice(0, moved);
  }

  private moveWhileSpace(from: number): number {
    let moved = from;
    for (; moved < this.queue.length; moved++) {
      const record = this.queue[moved];
      if (record === undefined) break;
      const [kindAndFlags = 0, index = 0, generation = 0] = record.header;
      if (!this.claimInRing(kindAndFlags, index, generation, record.bytes.length)) break;
      copyBytes(record.bytes, this.bytes, this.payload);
      this.queuedBytes -= record.bytes.length;
    }
    return moved;
  }
}

/** The reading end. Inside the handler, `payload` and `payloadBytes` say where the payload is. */
export class ByteRingConsumer extends ByteRingEnd {
  payload = 0;
  payloadBytes = 0;
  private head: number;

  constructor(memory: ByteRingMemory) {
    super(memory);
    this.head = Atomics.load(this.control, HEAD_WORD);
  }

  /** Bytes in the ring that were published and not read yet. For figures, not for a hot path. */
  get waitingBytes(): number {
    const tail = Atomics.load(this.control, TAIL_WORD);
    return tail === this.head ? 0 : (tail - this.afterJump(this.head)) | 0;
  }

  /** An int of the current payload. */
  int(byteOffset: number): number {
    return this.sharedInts[(this.payload + byteOffset) >> 2] ?? 0;
  }

  /** A double of the current payload. */
  float(byteOffset: number): number {
    return this.sharedFloats[(this.payload + byteOffset) >> 3] ?? 0;
  }

  /**
   * Calls the handler for every published record and gives the space of the records back. Returns
   * the number of records. When the handler throws, only that record is lost: the space is given
   * back, and then the error goes on.
   */
  drain(handler: RecordHandler): number {
    const tail = Atomics.load(this.control, TAIL_WORD);
    if (tail !== this.head) this.head = this.afterJump(this.head);
    let count = 0;
    let given = this.head;
    try {
      while (this.head !== tail) {
        // After large records the producer need not wait for the end of the turn.
        if (((this.head - given) | 0) >= this.capacity >> 3) {
          Atomics.store(this.control, HEAD_WORD, this.head);
          given = this.head;
        }
        const start = this.dataOffset + (this.head & this.mask);
        const word = start >> 2;
        const ints = this.sharedInts;
        const length = ints[word] ?? 0;
        const kindAndFlags = ints[word + 1] ?? 0;
        assert(length >= 8 && length <= this.capacity, 'a record has a sane length');
        this.head = (this.head + ((length + ALIGNMENT - 1) & -ALIGNMENT)) | 0;
        this.control[BEGUN_WORD] = this.head;
        if (kindOf(kindAndFlags) === KIND_PADDING) continue;
        this.payload = start + RECORD_HEADER_BYTES;
        this.payloadBytes = length - RECORD_HEADER_BYTES;
        count++;
        handler.onRecord(
          kindOf(kindAndFlags),
          flagsOf(kindAndFlags),
          ints[word + 2] ?? 0,
          ints[word + 3] ?? 0,
        );
      }
    } finally {
      Atomics.store(this.control, HEAD_WORD, this.head);
    }
    return count;
  }

  /** True: the producer ran out of space, some was given back, and the producer must be woken. */
  takeStarved(): boolean {
    if (Atomics.load(this.control, STARVED_WORD) === 0) return false;
    return Atomics.exchange(this.control, STARVED_WORD, 0) === 1;
  }

  /**
   * Says that the consumer is about to sleep. False: records came in, and the consumer must not
   * sleep.
   */
  park(): boolean {
    Atomics.store(this.control, PARKED_WORD, 1);
    if (Atomics.load(this.control, TAIL_WORD) === this.head) return true;
    Atomics.store(this.control, PARKED_WORD, 0);
    return false;
  }

  /** Says that the consumer is awake for another reason, so that the producer need not wake it. */
  unpark(): void {
    if (Atomics.load(this.control, PARKED_WORD) !== 0) Atomics.store(this.control, PARKED_WORD, 0);
  }
}
