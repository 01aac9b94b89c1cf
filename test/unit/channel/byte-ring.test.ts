import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ByteRingConsumer,
  ByteRingProducer,
  RECORD_HEADER_BYTES,
  RING_CONTROL_BYTES,
} from '../../../src/channel/byte-ring.js';
import { runs } from '../../support/long-form.js';
import { aRingAt, type ModelRecord, RingModel } from '../../support/ring-model.js';

const CAPACITY = 1024;
/** The largest payload of a record in that ring. */
const LARGEST = CAPACITY / 4 - 16;
/** Positions just before the sign changes, before they wrap to zero, and some others. */
const POSITIONS = [0, 8, 1016, 0x7fffff00, 0x7ffffff8, -1024, -8, -0x80000000];

type Step =
  | { readonly do: 'claim'; readonly bytes: number }
  | { readonly do: 'publish' | 'drain' | 'park' };

const size = fc.oneof(
  fc.constantFrom(0, 1, 7, 8, 9, LARGEST - 1, LARGEST),
  fc.integer({ min: 0, max: LARGEST }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('claim' as const), bytes: size }) },
  { weight: 3, arbitrary: fc.constant({ do: 'publish' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'drain' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'park' as const }) },
);

function take(model: RingModel, action: Step): void {
  switch (action.do) {
    case 'claim':
      model.claim(action.bytes);
      break;
    case 'publish':
      model.publish();
      break;
    case 'drain':
      model.drain();
      break;
    default:
      model.park();
  }
}

/** Until nothing is left: what is in the ring, and what waits outside of it. */
function empty(model: RingModel): void {
  for (let round = 0; round < 200; round++) {
    model.publish();
    const { count } = model.drain();
    if (count === 0 && model.producer.backlogBytes === 0) return;
  }
  throw new Error('the ring never ran empty');
}

/** What the producer could still give to another consumer. */
function salvaged({ producer }: RingModel): ModelRecord[] {
  const records: ModelRecord[] = [];
  producer.salvage(({ kindAndFlags, index, generation, payload }) => {
    const [kind, flags] = [kindAndFlags & 0xff, kindAndFlags >>> 8];
    records.push({ kind, flags, index, generation, payload: Buffer.from(payload) });
  });
  return records;
}

describe('byte ring', () => {
  it('hands over what a plain queue would, whatever the order of steps', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...POSITIONS),
        fc.constantFrom(0, 128, 512),
        fc.array(step, { maxLength: 120 }),
        (position, offset, steps) => {
          const model = new RingModel(aRingAt(CAPACITY, position, offset));
          for (const action of steps) take(model, action);
          expect(salvaged(model)).toEqual(model.expected.slice(model.seen.length));
          empty(model);
          expect(model.seen).toEqual(model.expected);
          expect(model.producer.backlogBytes).toBe(0);
        },
      ),
      runs(1500),
    );
  });

  it('never holds more than its capacity, and takes up to the last byte of it', () => {
    fc.assert(
      fc.property(fc.constantFrom(...POSITIONS), fc.array(size, { maxLength: 60 }), (at, sizes) => {
        const model = new RingModel(aRingAt(CAPACITY, at));
        for (const bytes of sizes) {
          model.claim(bytes);
          model.publish();
          const used = model.producer.usedBytes;
          expect(used).toBeGreaterThanOrEqual(0);
          expect(used).toBeLessThanOrEqual(CAPACITY);
        }
        empty(model);
        expect(model.seen).toEqual(model.expected);
      }),
    );
    const model = new RingModel(aRingAt(CAPACITY));
    for (let count = 0; count < 4; count++) model.claim(LARGEST);
    expect(model.producer.backlogBytes).toBe(0);
    model.claim(1);
    expect(model.producer.backlogBytes).toBe(1);
  });

  it('begins at its start again when it is empty, and not while it is not', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    const { producer } = model;
    const offsets: number[] = [];
    const claim = (bytes: number): void => {
      model.claim(bytes);
      model.publish();
      offsets.push(producer.payload - RING_CONTROL_BYTES - RECORD_HEADER_BYTES);
    };
    for (let count = 0; count < 3; count++) {
      claim(LARGEST);
      model.drain();
    }
    expect(offsets).toEqual([0, 256, 0]);
    claim(LARGEST);
    claim(LARGEST);
    expect(offsets.slice(3)).toEqual([256, 512]);
    // An end that is made anew before the consumer has made the jump knows of it.
    model.drain();
    claim(LARGEST);
    expect(offsets[5]).toBe(0);
    expect(new ByteRingProducer(model.memory).usedBytes).toBe(256);
    expect(new ByteRingConsumer(model.memory).waitingBytes).toBe(256);
    model.drain();
    expect(model.seen).toEqual(model.expected);
  });

  it('forgets a jump when a lap ends, before its position can come round again', () => {
    const memory = aRingAt(CAPACITY, 256);
    // What a jump of four gigabytes ago has left: JUMP_FROM and JUMP_TO.
    new Int32Array(memory.buffer).set([1536, 1792], 33);
    const model = new RingModel(memory);
    model.claim(LARGEST);
    for (let count = 0; count < 12; count++) {
      model.publish();
      // Never empty, or it would begin anew.
      model.claim(LARGEST);
      model.drain();
    }
    empty(model);
    expect(model.seen).toEqual(model.expected);
  });

  it('shows nothing before it is published', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    model.claim(10);
    expect(model.drain().count).toBe(0);
    model.publish();
    expect(model.drain().count).toBe(1);
  });

  it('takes a record of a quarter of the ring, and refuses a larger one as a mistake', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    expect(model.producer.payloadBytesMax).toBe(LARGEST);
    model.claim(LARGEST);
    expect(() => model.claim(LARGEST + 1)).toThrow('a quarter of the ring');
  });

  it('goes on where the memory says, when an end is made anew', () => {
    const memory = aRingAt(CAPACITY, 0x7fffffe0);
    const model = new RingModel(memory);
    model.claim(100);
    model.publish();
    const next = new ByteRingProducer(memory);
    next.claim(5, 6, 7, 0);
    next.publish();
    const kinds: number[] = [];
    new ByteRingConsumer(memory).drain({ onRecord: (kind) => kinds.push(kind) });
    expect(kinds).toEqual([1, 5]);
  });

  it('loses only the record whose handler throws', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    for (let count = 0; count < 3; count++) model.claim(8);
    model.publish();
    const seen: number[] = [];
    const onRecord = (_kind: number, _flags: number, index: number): void => {
      if (index === 1) throw new Error('mine');
      seen.push(index);
    };
    expect(() => model.consumer.drain({ onRecord })).toThrow('mine');
    expect(model.consumer.drain({ onRecord })).toBe(1);
    expect(seen).toEqual([0, 2]);
  });

  it('gives a queued record memory of its own, aligned for ints and doubles', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    while (model.producer.usedBytes < CAPACITY) model.claim(LARGEST);
    const { producer } = model;
    producer.claim(1, 1000, 3, 9);
    expect(producer.payload).toBe(0);
    producer.floats[0] = 1.5;
    producer.bytes[8] = 77;
    producer.claim(1, 1000, 3, 8);
    producer.floats[0] = 2.5;
    model.publish();
    const floats: number[] = [];
    const consumer = model.consumer;
    for (let round = 0; round < 2; round++) {
      consumer.drain({
        onRecord: (_kind, _flags, index) => {
          if (index === 1000) floats.push(consumer.float(0), consumer.payloadBytes);
        },
      });
      producer.publish();
    }
    expect(floats).toEqual([1.5, 9, 2.5, 8]);
  });
});

describe('the sleep of the consumer', () => {
  it('is refused while something is published', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    model.claim(0);
    expect(model.park()).toBe(true);
    model.publish();
    expect(model.wakes).toBe(1);
    expect(model.park()).toBe(false);
    model.drain();
    expect(model.park()).toBe(true);
  });

  it('ends with the first publish, and only with that', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    model.park();
    for (let count = 0; count < 3; count++) {
      model.claim(0);
      model.publish();
    }
    expect(model.wakes).toBe(1);
  });

  it('is not ended by a publish of nothing', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    model.park();
    model.publish();
    expect(model.wakes).toBe(0);
  });

  it('never outlasts a record, whatever the order of steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const model = new RingModel(aRingAt(CAPACITY));
        for (const action of steps) {
          take(model, action);
          if (action.do !== 'publish' || !model.isParked) continue;
          // Still asleep after a publish: then there is nothing to read.
          expect(model.consumer.drain({ onRecord: () => {} })).toBe(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a producer that finds no room', () => {
  it('is told once, when space was given back', () => {
    const model = new RingModel(aRingAt(CAPACITY));
    for (let count = 0; count < 10; count++) model.claim(LARGEST);
    model.publish();
    expect(model.producer.backlogBytes).toBe(6 * LARGEST);
    expect(model.drain()).toEqual({ count: 4, isStarved: true });
    expect(model.consumer.takeStarved()).toBe(false);
    model.publish();
    expect(model.drain()).toEqual({ count: 4, isStarved: true });
    model.publish();
    expect(model.drain()).toEqual({ count: 2, isStarved: false });
    expect(model.seen).toEqual(model.expected);
  });

  it('is always told while something waits: wakes alone carry everything over', () => {
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 80 }), (sizes) => {
        const model = new RingModel(aRingAt(CAPACITY));
        model.park();
        for (const bytes of sizes) model.claim(bytes);
        model.publish();
        // From here on each side acts only when it was woken.
        let isProducerWoken = false;
        for (let turn = 0; turn < 400 && (!model.isParked || isProducerWoken); turn++) {
          if (!model.isParked) {
            isProducerWoken = model.drain().isStarved || isProducerWoken;
            model.park();
          }
          if (!isProducerWoken) continue;
          isProducerWoken = false;
          model.publish();
        }
        expect(model.seen).toEqual(model.expected);
      }),
      { numRuns: 500 },
    );
  });
});
