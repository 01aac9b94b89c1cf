import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  LATENCY_BUCKETS,
  latencyBucket,
  latencyQuantileMs,
} from '../../../src/base/latency-buckets.js';

function countsOf(latencies: readonly number[]): Int32Array {
  const counts = new Int32Array(LATENCY_BUCKETS);
  for (const latency of latencies) {
    const bucket = latencyBucket(latency);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return counts;
}

it('every latency has a bucket, and longer ones no lower one', () => {
  const latency = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(latency, latency, (one, other) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      expect(latencyBucket(low)).toBeGreaterThanOrEqual(0);
      expect(latencyBucket(high)).toBeLessThan(LATENCY_BUCKETS);
      expect(latencyBucket(low)).toBeLessThanOrEqual(latencyBucket(high));
    }),
  );
});

it('a quantile is as close to the true one as a bucket is wide', () => {
  const latencies = fc.array(fc.double({ min: 0.3, max: 10_000, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(latencies, fc.integer({ min: 1, max: 99 }), (samples, percent) => {
      const sorted = samples.toSorted((one, other) => one - other);
      const rank = Math.max(1, Math.ceil((sorted.length * percent) / 100));
      const truth = sorted[rank - 1] ?? 0;
      const found = latencyQuantileMs(countsOf(samples), percent);
      expect(found / truth).toBeGreaterThan(1 / 1.1);
      expect(found / truth).toBeLessThan(1.1);
    }),
  );
});

it('there is none without samples', () => {
  expect(latencyQuantileMs(new Int32Array(LATENCY_BUCKETS), 50)).toBe(0);
});
