/** Whether the new side of a split is worse than the old one. */
import { describe, expect, it } from 'vitest';
import { LATENCY_BUCKETS, latencyBucket } from '../../../../src/base/latency-buckets.js';
import { seededRandom } from '../../../../src/policy/load-balancing/seeded-random.js';
import {
  type GuardRule,
  judgeSides,
  type SideFigures,
  VERDICT_ERRORS,
  VERDICT_GOOD,
  VERDICT_LATENCY,
  VERDICT_TOO_FEW,
  wilsonBound,
} from '../../../../src/policy/traffic/guard.js';

const RULE: GuardRule = { errorsFactor: 2, p99Factor: 1.5, minRequests: 200 };

interface Side {
  readonly requests: number;
  readonly errors?: number;
  /** Latency of most; how many others there are, and theirs. */
  readonly ms?: number;
  readonly slow?: readonly [count: number, ms: number];
}

function side({ requests, errors = 0, ms = 20, slow = [0, 0] }: Side): SideFigures {
  const latencies = new Int32Array(LATENCY_BUCKETS);
  latencies[latencyBucket(ms)] = requests - slow[0];
  if (slow[0] > 0) latencies[latencyBucket(slow[1])] = slow[0];
  return { requests, errors, latencies };
}

const judge = (old: Side, next: Side, rule: Partial<GuardRule> = {}) =>
  judgeSides({ ...RULE, ...rule }, side(old), side(next));

describe('a guard', () => {
  it('compares nothing before both sides have had enough requests', () => {
    expect(judge({ requests: 10_000 }, { requests: 199, errors: 199 })).toBe(VERDICT_TOO_FEW);
    expect(judge({ requests: 199 }, { requests: 10_000, errors: 9_000 })).toBe(VERDICT_TOO_FEW);
    expect(judge({ requests: 200 }, { requests: 200, errors: 150 })).toBe(VERDICT_ERRORS);
  });

  it('sees errors beyond the factor', () => {
    expect(judge({ requests: 19_800 }, { requests: 200, errors: 10 })).toBe(VERDICT_ERRORS);
    const old = { requests: 10_000, errors: 100 };
    expect(judge(old, { requests: 5_000, errors: 50 })).toBe(VERDICT_GOOD);
    expect(judge(old, { requests: 5_000, errors: 100 })).toBe(VERDICT_GOOD);
    expect(judge(old, { requests: 5_000, errors: 200 })).toBe(VERDICT_ERRORS);
    expect(judge(old, { requests: 5_000, errors: 200 }, { errorsFactor: 5 })).toBe(VERDICT_GOOD);
    expect(judge(old, { requests: 5_000, errors: 200 }, { errorsFactor: 0 })).toBe(VERDICT_GOOD);
  });

  it('takes a few errors for chance, even where the old side has none', () => {
    for (const errors of [1, 2, 4]) {
      expect(judge({ requests: 20_000 }, { requests: 200, errors })).toBe(VERDICT_GOOD);
    }
    expect(judge({ requests: 20_000 }, { requests: 10_000, errors: 10 })).toBe(VERDICT_GOOD);
  });

  it('sees a p99 beyond the factor, and not a median', () => {
    const old = { requests: 10_000, ms: 20, slow: [50, 40] } as const;
    expect(judge(old, { requests: 1_000, ms: 25 })).toBe(VERDICT_GOOD);
    expect(judge(old, { requests: 1_000, ms: 20, slow: [8, 400] })).toBe(VERDICT_GOOD);
    expect(judge(old, { requests: 1_000, ms: 20, slow: [40, 400] })).toBe(VERDICT_LATENCY);
    const all = judge(old, { requests: 1_000, ms: 400 }, { p99Factor: 0 });
    expect(all).toBe(VERDICT_GOOD);
  });

  it('makes nothing of differences below a few milliseconds', () => {
    expect(judge({ requests: 5_000, ms: 0.4 }, { requests: 5_000, ms: 4 })).toBe(VERDICT_GOOD);
    expect(judge({ requests: 5_000, ms: 0.4 }, { requests: 5_000, ms: 40 })).toBe(VERDICT_LATENCY);
  });
});

describe('over many looks', () => {
  const random = seededRandom(7);
  const draw = (requests: number, rate: number): number => {
    let errors = 0;
    for (let nth = 0; nth < requests; nth += 1) if (random() < rate) errors += 1;
    return errors;
  };
  /** How often of 1000 spans of time a side of this rate is taken back. */
  const takenBack = (oldRate: number, newRate: number, [olds, news]: [number, number]): number => {
    let count = 0;
    for (let span = 0; span < 1000; span += 1) {
      const old = { requests: olds, errors: draw(olds, oldRate) };
      const next = { requests: news, errors: draw(news, newRate) };
      if (judge(old, next) === VERDICT_ERRORS) count += 1;
    }
    return count;
  };

  it.each([0, 0.001, 0.01, 0.05, 0.3])('two sides that are alike with %f errors stay', (rate) => {
    expect(takenBack(rate, rate, [1800, 200])).toBe(0);
    expect(takenBack(rate, rate, [200, 200])).toBeLessThanOrEqual(2);
  });

  it('a side with 1 bad request in N goes back where N is small, and stays where it is large', () => {
    expect(takenBack(0, 1 / 10, [1800, 200])).toBeGreaterThan(990);
    expect(takenBack(0, 1 / 20, [9000, 1000])).toBe(1000);
    expect(takenBack(0, 1 / 50, [9000, 1000])).toBeGreaterThan(990);
    expect(takenBack(0, 1 / 1000, [9000, 1000])).toBe(0);
    expect(takenBack(0.05, 1 / 10, [9000, 1000])).toBeLessThan(5);
    expect(takenBack(0.05, 1 / 5, [9000, 1000])).toBe(1000);
  });
});

describe('the bound of a share', () => {
  it('lies between 0 and 1, on its side of the share, and closes in', () => {
    for (const total of [1, 7, 200, 10_000]) {
      for (const bad of [0, 1, Math.floor(total / 2), total]) {
        const [low, high] = [wilsonBound(bad, total, -3), wilsonBound(bad, total, 3)];
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(bad / total + 1e-12);
        expect(high).toBeGreaterThanOrEqual(bad / total - 1e-12);
        expect(high).toBeLessThanOrEqual(1);
      }
    }
    expect(wilsonBound(10, 100, -3)).toBeLessThan(wilsonBound(100, 1000, -3));
    expect([wilsonBound(0, 0, -3), wilsonBound(0, 0, 1)]).toEqual([0, 1]);
    // By hand: 10 of 200 at 3 deviations.
    expect(wilsonBound(10, 200, -3)).toBeCloseTo(0.0203, 3);
  });
});
