import { describe, expect, it } from 'vitest';
import type { ReturnFields } from '../../../../src/channel/coordinator/key-grant-returns.js';
import { type GrantKey, KeyGrants } from '../../../../src/worker/admission/key-grants.js';

function keyOf(...words: number[]): GrantKey {
  return { limits: Int32Array.from(words), limitCount: words.length / 3 };
}

const KEY = keyOf(1, 2, 3);

function aReply(keyGrantCount: number, keyGrantUntil: number) {
  return { keyGrantCount, keyGrantUntil, limiterIndex: 1, remaining: 50, resetMs: 10 };
}

function someGrants() {
  const returned: ReturnFields[] = [];
  const grants = new KeyGrants(({ limiterIndex, keyHashHigh, keyHashLow, unused, until }) => {
    returned.push({ limiterIndex, keyHashHigh, keyHashLow, unused, until });
  });
  const entry = (nowMs: number) => grants.entryOf(KEY, nowMs);
  return { grants, returned, entry };
}

/** As many asks as it takes until one wishes for something. */
function wishOf(entry: { wish(nowMs: number): number }, nowMs: number): number {
  for (let ask = 0; ask < 10; ask += 1) {
    const wish = entry.wish(nowMs);
    if (wish > 0) return wish;
  }
  return 0;
}

describe('key grants of a worker', () => {
  it('are wished for by keys that are asked for quickly, and by no others', () => {
    const { entry } = someGrants();
    for (let ask = 0; ask < 20; ask += 1) expect(entry(ask * 51).wish(ask * 51)).toBe(0);
    const wishes = Array.from({ length: 6 }, () => entry(5000).wish(5000));
    expect(wishes).toEqual([0, 0, 0, 4, 0, 0]);
  });

  it('grow when they are used up, and shrink when some are left over', () => {
    const { grants, entry } = someGrants();
    for (const size of [4, 8, 16, 32, 64, 64]) {
      expect(wishOf(entry(0), 0)).toBe(size);
      grants.onReply(KEY, aReply(size, 10), 0);
      for (let use = 0; use < size; use += 1) entry(0).take();
    }
    expect(wishOf(entry(0), 0)).toBe(64);
    grants.onReply(KEY, aReply(64, 10), 0);
    grants.giveBackVoid(11);
    expect(wishOf(entry(20), 20)).toBe(32);
  });

  it('are good up to their moment and not after it, and then go back', () => {
    const { grants, returned, entry } = someGrants();
    grants.onReply(KEY, aReply(3, 10), 0);
    entry(9).take();
    expect([9.5, 10, 10.01].map((nowMs) => entry(nowMs).isValid(nowMs))).toEqual([
      true,
      true,
      false,
    ]);
    grants.giveBackVoid(10);
    expect(returned).toEqual([]);
    grants.giveBackVoid(10.5);
    const name = { limiterIndex: 1, keyHashHigh: 2, keyHashLow: 3 };
    expect(returned).toEqual([{ ...name, unused: 2, until: 10 }]);
    grants.giveBackVoid(11);
    expect(returned).toHaveLength(1);
    expect(grants.openCount).toBe(0);
  });

  it('are good when their moment is beyond 2^31', () => {
    const { grants, entry } = someGrants();
    const nowMs = 2 ** 31 - 5;
    grants.onReply(KEY, aReply(3, (nowMs + 20) | 0), nowMs);
    expect(entry(nowMs + 20).isValid(nowMs + 20)).toBe(true);
    expect(entry(nowMs + 21).isValid(nowMs + 21)).toBe(false);
  });

  it('go back when other keys need the place: the number of keys is bounded', () => {
    const { grants, returned } = someGrants();
    grants.onReply(KEY, aReply(3, 100), 0);
    for (let other = 0; other < 100_000; other += 1) grants.entryOf(keyOf(1, other, other * 7), 1);
    expect(returned).toHaveLength(1);
    expect(grants.entryOf(KEY, 2).left).toBe(0);
  });

  it('of several limits go back to each of them, and are for this combination of keys only', () => {
    const { grants, returned } = someGrants();
    const both = keyOf(1, 2, 3, 4, 5, 6);
    grants.onReply(both, aReply(8, 10), 0);
    expect(grants.entryOf(keyOf(1, 2, 3), 1).isValid(1)).toBe(false);
    expect(grants.entryOf(keyOf(1, 2, 3, 4, 5, 7), 1).isValid(1)).toBe(false);
    expect(grants.entryOf(both, 1).isValid(1)).toBe(true);
    grants.entryOf(both, 1).take();
    grants.giveBackVoid(11);
    const rest = { unused: 7, until: 10 };
    expect(returned).toEqual([
      { limiterIndex: 1, keyHashHigh: 2, keyHashLow: 3, ...rest },
      { limiterIndex: 4, keyHashHigh: 5, keyHashLow: 6, ...rest },
    ]);
  });
});
