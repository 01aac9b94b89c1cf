import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RefusedKeys } from '../../../../src/worker/admission/refused-keys.js';

const KEY = [3, 0x1234_5678, -77] as const;

function aRefusal(refusedUntil: number) {
  return { refusedUntil, remaining: 2, resetMs: 900, retryAfterMs: 1500 };
}

describe('a key that was refused', () => {
  it('is found up to the last whole millisecond that the coordinator named', () => {
    const keys = new RefusedKeys();
    keys.note(KEY, aRefusal(1020), 1000.4);
    expect(keys.find(KEY, 1000.4)).toBe(true);
    expect(keys.find(KEY, 1020)).toBe(true);
    expect(keys.find(KEY, 1020.001)).toBe(false);
    expect(keys.find(KEY, 5000)).toBe(false);
  });

  it('waits for as much less as has gone by', () => {
    const keys = new RefusedKeys();
    keys.note(KEY, aRefusal(2020), 1000);
    keys.find(KEY, 1000);
    expect(keys).toMatchObject({ remaining: 2, resetMs: 900, retryAfterMs: 1500 });
    keys.find(KEY, 1010);
    expect(keys).toMatchObject({ remaining: 2, resetMs: 890, retryAfterMs: 1490 });
    keys.find(KEY, 1950);
    expect(keys).toMatchObject({ resetMs: 0, retryAfterMs: 550 });
  });

  it('is told from every other key, and from the same one of another limit', () => {
    const keys = new RefusedKeys();
    keys.note(KEY, aRefusal(1020), 1000);
    expect(keys.find([4, KEY[1], KEY[2]], 1000)).toBe(false);
    expect(keys.find([3, KEY[1] + 1, KEY[2]], 1000)).toBe(false);
    expect(keys.find([3, KEY[1], KEY[2] + 1], 1000)).toBe(false);
  });

  it('is not known before anything was refused, nor after other limits came into force', () => {
    const keys = new RefusedKeys();
    expect(keys.find([0, 0, 0], 0)).toBe(false);
    keys.note(KEY, aRefusal(1020), 1000);
    keys.clear();
    expect(keys.find(KEY, 1000)).toBe(false);
  });

  it('is forgotten for good, however long its entry lies there', () => {
    const keys = new RefusedKeys();
    keys.note(KEY, aRefusal(1020), 1000);
    for (const days of [1, 24.8, 24.9, 30, 49.7, 49.8, 99.5]) {
      expect([days, keys.find(KEY, 1000 + days * 86_400_000)]).toEqual([days, false]);
    }
    keys.note(KEY, aRefusal(1020 | 0), 2 ** 32 + 1000);
    expect(keys.find(KEY, 2 ** 32 + 1010)).toBe(true);
  });

  it('is found across the turn of the 32 bits that its time is kept in', () => {
    const keys = new RefusedKeys();
    const turnMs = 2 ** 31;
    keys.note(KEY, aRefusal((turnMs + 5) | 0), turnMs - 10);
    expect(keys.find(KEY, turnMs - 1)).toBe(true);
    expect(keys).toMatchObject({ resetMs: 891 });
    expect(keys.find(KEY, turnMs + 5)).toBe(true);
    expect(keys.find(KEY, turnMs + 6)).toBe(false);
  });
});

it('never says of a key that it was refused when it was not, however many there are', () => {
  const key = fc.tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: -40, max: 40 }),
    fc.integer({ min: -40, max: 40 }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 400 }), (steps) => {
      const keys = new RefusedKeys();
      const refused = new Set<string>();
      for (const [one, isRefused] of steps) {
        if (isRefused) {
          keys.note(one, aRefusal(1020), 1000);
          refused.add(one.join());
          expect(keys.find(one, 1001)).toBe(true);
        } else if (keys.find(one, 1001)) {
          expect(refused.has(one.join())).toBe(true);
        }
      }
    }),
  );
});
