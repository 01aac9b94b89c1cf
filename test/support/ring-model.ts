/**
 * A byte ring beside the plainest queue that could stand in its place.
 *
 * Both hear the same steps; after each of them the ring must have handed over exactly the records
 * that the queue says, in that order, and woken whoever had to be woken.
 */
import {
  ByteRingConsumer,
  type ByteRingMemory,
  ByteRingProducer,
  byteRingBytes,
  RECORD_HEADER_BYTES,
} from '../../src/channel/byte-ring.js';

const HEAD_WORD = 0;
const BEGUN_WORD = 1;
const TAIL_WORD = 32;

/** Zeroed memory whose positions stand at `position`, as after a long life. */
export function aRingAt(capacity: number, position = 0, offset = 0): ByteRingMemory {
  const buffer = new SharedArrayBuffer(offset + byteRingBytes(capacity));
  const control = new Int32Array(buffer, offset);
  control[HEAD_WORD] = position;
  control[BEGUN_WORD] = position;
  control[TAIL_WORD] = position;
  return { buffer, offset, capacity };
}

export interface ModelRecord {
  readonly kind: number;
  readonly flags: number;
  readonly index: number;
  readonly generation: number;
  readonly payload: Buffer;
}

/** A payload that says which record it belongs to. */
export function payloadOf(serial: number, bytes: number): Buffer {
  const payload = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) payload[at] = (serial * 31 + at * 7) & 0xff;
  return payload;
}

export class RingModel {
  readonly producer: ByteRingProducer;
  readonly consumer: ByteRingConsumer;
  /** Written, not yet handed over. */
  readonly expected: ModelRecord[] = [];
  readonly seen: ModelRecord[] = [];
  isParked = false;
  wakes = 0;
  private serial = 0;

  constructor(readonly memory: ByteRingMemory) {
    this.producer = new ByteRingProducer(memory);
    this.consumer = new ByteRingConsumer(memory);
  }

  get payloadBytesMax(): number {
    return (this.memory.capacity >> 2) - RECORD_HEADER_BYTES;
  }

  claim(bytes: number): void {
    const record = this.next(bytes);
    const { kind, flags, index, generation } = record;
    this.producer.claim(kind | (flags << 8), index, generation, bytes);
    this.fill(record);
  }

  /** As the lane does it: whoever sleeps is woken when publish says so. */
  publish(): void {
    if (!this.producer.publish()) return;
    if (!this.isParked) throw new Error('woke a consumer that was awake');
    this.isParked = false;
    this.wakes++;
  }

  /** Returns how many records came; says whether the producer had to be woken. */
  drain(): { count: number; isStarved: boolean } {
    this.consumer.unpark();
    this.isParked = false;
    const { consumer } = this;
    const count = consumer.drain({
      onRecord: (kind, flags, index, generation) => {
        const { payload: start, payloadBytes, sharedBytes } = consumer;
        const payload = Buffer.from(sharedBytes.subarray(start, start + payloadBytes));
        this.seen.push({ kind, flags, index, generation, payload });
      },
    });
    return { count, isStarved: consumer.takeStarved() };
  }

  park(): boolean {
    this.isParked = this.consumer.park();
    return this.isParked;
  }

  private next(bytes: number): ModelRecord {
    const serial = this.serial++;
    return {
      kind: 1 + (serial % 31),
      flags: (serial >> 3) & 0xff,
      index: serial,
      generation: ~serial,
      payload: payloadOf(serial, bytes),
    };
  }

  private fill(record: ModelRecord): void {
    this.producer.bytes.set(record.payload, this.producer.payload);
    this.expected.push(record);
  }
}
