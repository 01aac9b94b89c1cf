import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOffMs, retryWaitMs, WAIT_TOO_LONG } from '../../../../src/policy/retry/back-off.js';

const RULE = { baseMs: 25, maxMs: 250 };
const ALMOST_ONE = 1 - Number.EPSILON;

describe('back-off', () => {
  it('draws from a span that doubles until it has reached its maximum', () => {
    const spans = [1, 2, 3, 4, 5, 6].map((retry) => Math.round(backOffMs(RULE, retry, ALMOST_ONE)));
    expect(spans).toEqual([25, 50, 100, 200, 250, 250]);
    expect(backOffMs(RULE, 3, 0)).toBe(0);
    expect(backOffMs(RULE, 3, 0.5)).toBe(50);
  });

  it('stays within base and maximum for every rule, retry and draw', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 0, max: 60_000 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }),
        (baseMs, maxMs, retry, random) => {
          const waitMs = backOffMs({ baseMs, maxMs }, retry, random);
          expect(waitMs).toBeGreaterThanOrEqual(0);
          expect(waitMs).toBeLessThanOrEqual(maxMs);
          if (retry === 1) expect(waitMs).toBeLessThanOrEqual(baseMs);
        },
      ),
    );
  });
});

describe('the wait before a retry', () => {
  it('is never shorter than what the target asked for', () => {
    expect(retryWaitMs(20, 0, 1000)).toBe(20);
    expect(retryWaitMs(20, 19, 1000)).toBe(20);
    expect(retryWaitMs(20, 500, 1000)).toBe(500);
  });

  it('is refused when the deadline comes first or at the same time', () => {
    expect(retryWaitMs(20, 500, 501)).toBe(500);
    expect(retryWaitMs(20, 500, 500)).toBe(WAIT_TOO_LONG);
    expect(retryWaitMs(0, 0, 0)).toBe(WAIT_TOO_LONG);
    expect(retryWaitMs(0, 0, Number.POSITIVE_INFINITY)).toBe(0);
  });
});
