import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateDecision } from '../../../../src/policy/rate-limit/rate-decision.js';
import {
  commitTokenBucket,
  fillTokenBucket,
  peekTokenBucket,
  type TokenBucketRule,
  type TokenBucketState,
  tokenBucketRule,
  usedShareOfTokenBucket,
} from '../../../../src/policy/rate-limit/token-bucket.js';

const decision = new RateDecision();

function aBucket(rule: TokenBucketRule, nowMs: number): TokenBucketState {
  const state = { level: 0, tickMs: 0, newerMs: 0, newerPeak: 0, olderMs: 0, olderPeak: 0 };
  fillTokenBucket(state, rule, nowMs);
  return state;
}

function tryTake(state: TokenBucketState, rule: TokenBucketRule, nowMs: number): boolean {
  if (!peekTokenBucket(state, rule, nowMs, decision)) return false;
  commitTokenBucket(state, rule, nowMs, decision);
  return true;
}

const gapsMs = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.double({ min: 0, max: 2, noNaN: true }) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 500, noNaN: true }) },
  ),
  { minLength: 1, maxLength: 300 },
);

describe('token bucket', () => {
  it('admits a burst, refuses the next, and tells when the next token comes', () => {
    const rule = tokenBucketRule({ limit: 10, windowMs: 1000, burst: 5, cost: 1 });
    const state = aBucket(rule, 0);
    for (let count = 1; count <= 4; count += 1) expect(tryTake(state, rule, 0)).toBe(true);
    expect(decision.remaining).toBe(1);
    expect(tryTake(state, rule, 0)).toBe(true);
    expect(tryTake(state, rule, 0)).toBe(false);
    expect(decision).toMatchObject({ remaining: 0, retryAfterMs: 100, resetMs: 100 });
    expect(tryTake(state, rule, 99.9)).toBe(false);
    expect(tryTake(state, rule, 100)).toBe(true);
    expect(tryTake(state, rule, 100)).toBe(false);
  });

  it('never holds more than the burst, however long it rests', () => {
    const rule = tokenBucketRule({ limit: 10, windowMs: 1000, burst: 3, cost: 1 });
    const state = aBucket(rule, 0);
    tryTake(state, rule, 0);
    const nowMs = 2 ** 41;
    expect([1, 2, 3, 4].map(() => tryTake(state, rule, nowMs))).toEqual([true, true, true, false]);
  });

  it('loses no refill to being asked often', () => {
    const rule = tokenBucketRule({ limit: 1, windowMs: 1000, burst: 1, cost: 1 });
    const state = aBucket(rule, 0);
    tryTake(state, rule, 0);
    for (let nowMs = 0.1; nowMs < 1000; nowMs += 0.1) peekTokenBucket(state, rule, nowMs, decision);
    expect(tryTake(state, rule, 1000)).toBe(true);
  });

  it('keeps the pace exactly over a long life', () => {
    const rule = tokenBucketRule({ limit: 3, windowMs: 1000, burst: 1, cost: 1 });
    const state = aBucket(rule, 0);
    let taken = 0;
    for (let nowMs = 0; nowMs < 1_000_000; nowMs += 1) taken += tryTake(state, rule, nowMs) ? 1 : 0;
    expect(taken).toBeLessThanOrEqual(1 + 3000);
    // A bucket of one token is always about to be full: a take may cost it a millisecond.
    expect(taken).toBeGreaterThan(2990);
  });

  it('measures a full bucket as at rest', () => {
    const rule = tokenBucketRule({ limit: 4, windowMs: 1000, burst: 4, cost: 1 });
    const state = aBucket(rule, 0);
    expect(usedShareOfTokenBucket(state, rule, 0)).toBe(0);
    tryTake(state, rule, 0);
    expect(usedShareOfTokenBucket(state, rule, 0)).toBe(0.25);
    expect(usedShareOfTokenBucket(state, rule, 250)).toBe(0);
  });

  it('stays exact for the largest limits of a day', () => {
    const rule = tokenBucketRule({
      limit: 999_983,
      windowMs: 86_400_000,
      burst: 1_000_000,
      cost: 1,
    });
    expect(Number.isSafeInteger(rule.unitsMax + rule.unitsPerMs)).toBe(true);
    expect(rule.unitsMax).toBe(1_000_000 * rule.unitsPerToken);
  });

  it('refills at the pace of the limit, and never faster, whatever the numbers', () => {
    const numbers = fc.integer({ min: 1, max: 1_000_000_000 });
    const windows = fc.integer({ min: 100, max: 400 * 86_400_000 });
    fc.assert(
      fc.property(numbers, windows, numbers, (limit, windowMs, burst) => {
        const rule = tokenBucketRule({ limit, windowMs, burst, cost: 1 });
        expect(Number.isSafeInteger(rule.unitsMax + rule.unitsPerMs)).toBe(true);
        expect(rule.unitsMax).toBeLessThanOrEqual(burst * rule.unitsPerToken);
        const tokensPerWindow = (rule.unitsPerMs / rule.unitsPerToken) * windowMs;
        expect(tokensPerWindow).toBeLessThanOrEqual(limit * (1 + 1e-12));
        // The time between two tokens may be rounded up to a whole millisecond.
        const slowest = Math.max(1e-4, limit / windowMs);
        expect(tokensPerWindow).toBeGreaterThanOrEqual((limit * (1 - 1e-4)) / (1 + slowest));
      }),
      { numRuns: 500 },
    );
  });

  it.each([60_000, 3_600_000, 86_400_000])('holds a billion tokens of %i ms', (windowMs) => {
    for (const limit of [1_000_000_000, 999_999_937, 50_000_001, 10_000_000]) {
      const rule = tokenBucketRule({ limit, windowMs, burst: limit, cost: 1 });
      expect(rule.unitsMax).toBe(limit * rule.unitsPerToken);
      const state = aBucket(rule, 0);
      expect(peekTokenBucket(state, rule, 0, decision)).toBe(true);
      expect(decision.remaining).toBe(limit);
      const tokensPerWindow = (rule.unitsPerMs / rule.unitsPerToken) * windowMs;
      expect(tokensPerWindow / limit).toBeGreaterThan(0.9999);
    }
  });

  it('admits at most burst + rate * t over every span of time', () => {
    const bursts = fc.integer({ min: 1, max: 12 });
    const limits = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(bursts, limits, gapsMs, (burst, limit, gaps) => {
        const rule = tokenBucketRule({ limit: limit, windowMs: 97, burst: burst, cost: 1 });
        const state = aBucket(rule, 3.7);
        const taken: number[] = [];
        let nowMs = 3.7;
        for (const gap of gaps) {
          nowMs += gap;
          if (tryTake(state, rule, nowMs)) taken.push(nowMs);
        }
        taken.forEach((from, first) => {
          for (let last = first; last < taken.length; last += 1) {
            const spanMs = (taken[last] ?? 0) - from;
            const count = last - first + 1;
            expect(count).toBeLessThanOrEqual(burst + (limit / 97) * spanMs + 1e-9);
          }
        });
      }),
      { numRuns: 60 },
    );
  });

  it('is behind a naive bucket by less than the refill of a millisecond for each take', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), gapsMs, (limit, gaps) => {
        const [windowMs, burst] = [1000, 8];
        const rule = tokenBucketRule({ limit: limit, windowMs: windowMs, burst: burst, cost: 1 });
        const state = aBucket(rule, 0);
        let [nowMs, lastMs, naive, takes] = [0, 0, burst, 0];
        for (const gap of gaps) {
          nowMs += gap;
          naive = Math.min(burst, naive + ((nowMs - lastMs) * limit) / windowMs);
          lastMs = nowMs;
          const isTaken = tryTake(state, rule, nowMs);
          if (isTaken) expect(naive).toBeGreaterThanOrEqual(1 - 1e-9);
          else expect(naive).toBeLessThan(1 + ((takes + 2) * limit) / windowMs);
          if (!isTaken) continue;
          naive -= 1;
          takes += 1;
        }
      }),
    );
  });

  it('refuses until the time that it told, and admits then', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), gapsMs, (limit, gaps) => {
        const rule = tokenBucketRule({ limit: limit, windowMs: 1000, burst: 3, cost: 1 });
        const state = aBucket(rule, 0);
        let nowMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          if (tryTake(state, rule, nowMs)) continue;
          const laterMs = nowMs + decision.retryAfterMs;
          expect(peekTokenBucket(state, rule, laterMs - 1.001, decision)).toBe(false);
          expect(tryTake(state, rule, laterMs)).toBe(true);
          nowMs = laterMs;
        }
      }),
    );
  });

  it('holds a large burst over months, and refills it no faster than it should', () => {
    const windowMs = 400 * 86_400_000;
    // A prime: nothing can be shortened.
    const limit = 999_983;
    const rule = tokenBucketRule({ limit, windowMs, burst: limit, cost: 1 });
    const state = aBucket(rule, 0);
    for (let count = 0; count < limit; count += 1) {
      peekTokenBucket(state, rule, 0, decision);
      commitTokenBucket(state, rule, 0, decision);
    }
    expect(tryTake(state, rule, 0)).toBe(false);
    peekTokenBucket(state, rule, windowMs / 2, decision);
    expect(decision.remaining).toBeLessThanOrEqual(limit / 2);
    expect(decision.remaining).toBeGreaterThan(limit / 2 - 20);
  });
});
