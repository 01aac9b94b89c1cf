/**
 * Counts durations in buckets that grow with them: exact below 128 µs, within 1.6 % above.
 *
 *   value      0 … 63   64 … 127  128 … 255  256 … 511  …
 *   bucket is  1 µs     1 µs      2 µs       4 µs       …   64 buckets to each doubling
 *
 * Recording is a shift and an add, and memory does not depend on how much is recorded.
 */

const SUB_BITS = 6;
const SUB_COUNT = 1 << SUB_BITS;
/** The longest that is told apart: 2^30 µs, nearly eighteen minutes. */
const VALUE_MAX = 2 ** 30 - 1;
const BUCKET_COUNT = bucketOf(VALUE_MAX) + 1;

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** The longest, to the microsecond. */
  get max(): number {
    return this.#max;
  }

  record(us: number): void {
    const value = Math.min(VALUE_MAX, Math.max(0, Math.round(us)));
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    if (value > this.#max) this.#max = value;
  }

  /** The middle of the bucket that holds this rank. NaN when nothing was recorded. */
  percentile(percent: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket += 1) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(this.#max, middleOf(bucket));
    }
    return this.#max;
  }
}

function bucketOf(value: number): number {
  if (value < SUB_COUNT) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  return (shift + 1) * SUB_COUNT + ((value >>> shift) - SUB_COUNT);
}

function middleOf(bucket: number): number {
  if (bucket < SUB_COUNT) return bucket;
  const shift = Math.floor(bucket / SUB_COUNT) - 1;
  const low = (SUB_COUNT + (bucket % SUB_COUNT)) * 2 ** shift;
  return low + (2 ** shift - 1) / 2;
}
