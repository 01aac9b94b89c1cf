/** What comes out is in the order of its times. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';
import { InOrder } from '../../../src/replay/in-order.js';

describe('InOrder', () => {
  it.each([1, 2, 3])('gives the earliest, and of equal ones the first (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const order = new InOrder<{ time: number; at: number }>();
    const model: { time: number; at: number }[] = [];
    const taken: unknown[] = [];
    const wanted: unknown[] = [];
    for (let at = 0; at < 2000; at += 1) {
      if (random() < 0.6) {
        const one = { time: Math.floor(random() * 50), at };
        order.add(one.time, one);
        model.push(one);
      } else if (model.length > 0) {
        model.sort((a, b) => a.time - b.time || a.at - b.at);
        expect(order.firstTime).toBe(model[0]?.time);
        wanted.push(model.shift());
        taken.push(order.take());
      }
      expect(order.size).toBe(model.length);
    }
    expect(taken).toEqual(wanted);
  });

  it('has no first time while it is empty', () => {
    expect(new InOrder().firstTime).toBe(Number.POSITIVE_INFINITY);
    expect(() => new InOrder().take()).toThrow('something to take');
  });
});
