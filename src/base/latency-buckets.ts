/**
 * Latencies in buckets: eight to an octave, from a quarter of a millisecond to sixteen seconds.
 *
 * Thread: any (pure). A bucket is 9 % wide, so a quantile that is read from the buckets is accurate
 * to 9 %.
 */

export const LATENCY_BUCKETS = 128;

const PER_OCTAVE = 8;
const LEAST_MS = 0.25;

/** The bucket of a latency. A latency outside the range counts in the first or the last bucket. */
export function latencyBucket(latencyMs: number): number {
  if (latencyMs <= LEAST_MS) return 0;
  const bucket = Math.floor(Math.log2(latencyMs / LEAST_MS) * PER_OCTAVE);
  return Math.min(bucket, LATENCY_BUCKETS - 1);
}

/** The latency at which a bucket begins. */
function bucketStartMs(bucket: number): number {
  return LEAST_MS * 2 ** (bucket / PER_OCTAVE);
}

/** The latency that `percent` percent of the samples do not exceed; 0 without samples. */
export function latencyQuantileMs(counts: Int32Array, percent: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  const wanted = Math.max(1, (total * percent) / 100);
  let below = 0;
  for (let bucket = 0; bucket < counts.length; bucket += 1) {
    const count = counts[bucket] as number;
    if (below + count < wanted) {
      below += count;
      continue;
    }
    // The samples of a bucket are assumed to be spread evenly.
    return bucketStartMs(bucket + (wanted - below) / count);
  }
  return bucketStartMs(counts.length);
}
