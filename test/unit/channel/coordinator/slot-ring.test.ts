import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocateSlotRing,
  NO_SLOT,
  SlotRingConsumer,
  SlotRingProducer,
} from '../../../../src/channel/coordinator/slot-ring.js';

const HEAD_WORD = 0;
const TAIL_WORD = 32;

function aRing(slotCount: number, startPosition = 0) {
  const buffer = allocateSlotRing(slotCount);
  const words = new Int32Array(buffer);
  words[HEAD_WORD] = startPosition;
  words[TAIL_WORD] = startPosition;
  return {
    buffer,
    producer: new SlotRingProducer(buffer),
    consumer: new SlotRingConsumer(buffer),
  };
}

function write(producer: SlotRingProducer, value: number): boolean {
  const base = producer.claim();
  if (base === NO_SLOT) return false;
  producer.words[base] = value;
  return true;
}

function readAll(consumer: SlotRingConsumer): number[] {
  const values: number[] = [];
  for (let base = consumer.next(); base !== NO_SLOT; base = consumer.next()) {
    values.push(consumer.words[base] ?? Number.NaN);
  }
  consumer.release();
  return values;
}

describe('slot ring', () => {
  it('shows nothing before it is published, and then everything in order', () => {
    const { producer, consumer } = aRing(8);
    for (const value of [1, 2, 3]) write(producer, value);
    expect(readAll(consumer)).toEqual([]);
    expect(producer.publish()).toBe(true);
    expect(readAll(consumer)).toEqual([1, 2, 3]);
    expect(producer.publish()).toBe(false);
  });

  it('takes one less than its slots, all of them, and not one more', () => {
    const { producer, consumer } = aRing(4);
    expect([1, 2, 3].map((value) => write(producer, value))).toEqual([true, true, true]);
    expect(producer.hasRoom()).toBe(true);
    expect(write(producer, 4)).toBe(true);
    expect(producer.hasRoom()).toBe(false);
    expect(write(producer, 5)).toBe(false);
    producer.publish();
    expect(readAll(consumer)).toEqual([1, 2, 3, 4]);
    expect(write(producer, 5)).toBe(true);
  });

  it('keeps a slot that was read until it is given back', () => {
    const { producer, consumer } = aRing(1);
    write(producer, 1);
    producer.publish();
    expect(consumer.next()).not.toBe(NO_SLOT);
    expect(producer.hasRoom()).toBe(false);
    consumer.release();
    expect(producer.hasRoom()).toBe(true);
  });

  it('loses and repeats nothing, also where positions wrap', () => {
    const batches = fc.array(fc.tuple(fc.nat(9), fc.boolean()), { maxLength: 200 });
    const starts = fc.constantFrom(0, 5, 2 ** 31 - 3, -(2 ** 31), -4);
    fc.assert(
      fc.property(starts, batches, (start, list) => {
        const { producer, consumer } = aRing(8, start);
        const written: number[] = [];
        const read: number[] = [];
        for (const [count, isRead] of list) {
          for (let step = 0; step < count; step += 1) {
            if (write(producer, written.length)) written.push(written.length);
          }
          producer.publish();
          expect(producer.countUsed()).toBe(written.length - read.length);
          if (isRead) read.push(...readAll(consumer));
        }
        read.push(...readAll(consumer));
        expect(read).toEqual(written);
      }),
    );
  });

  it('parks only when there is nothing to read, and says to one producer call that it parked', () => {
    const { producer, consumer } = aRing(8);
    expect(producer.takeParked()).toBe(false);
    expect(consumer.park()).toBe(true);
    write(producer, 1);
    producer.publish();
    expect(producer.takeParked()).toBe(true);
    expect(producer.takeParked()).toBe(false);
    expect(consumer.park()).toBe(false);
    expect(producer.takeParked()).toBe(false);
    expect(readAll(consumer)).toEqual([1]);
  });

  it('lets new ends go on with what was published, and forgets what was not', () => {
    const { buffer, producer, consumer } = aRing(8);
    for (const value of [1, 2]) write(producer, value);
    producer.publish();
    write(producer, 3);
    consumer.next();
    consumer.release();
    const nextProducer = new SlotRingProducer(buffer);
    write(nextProducer, 4);
    nextProducer.publish();
    expect(readAll(new SlotRingConsumer(buffer))).toEqual([2, 4]);
  });

  it('passes over everything that was meant for an earlier consumer', () => {
    const { producer, consumer } = aRing(2);
    for (const value of [1, 2]) write(producer, value);
    producer.publish();
    consumer.skipAll();
    expect(readAll(consumer)).toEqual([]);
    expect(write(producer, 3)).toBe(true);
  });

  it('is only made with a power of two of slots', () => {
    for (const count of [0, 3, 12, 1.5, -4]) expect(() => allocateSlotRing(count)).toThrow();
  });
});
