/**
 * The counters of each limit, as /stats shows them.
 *
 * Thread: any (both ends). The coordinator has a buffer, and so has each worker, for requests that
 * it refuses by an earlier verdict. The main thread reads all buffers.
 *
 *     16 float64 a limiter, in the order of LIMIT_COUNTER_NAMES; the last six are free
 */
import { assert } from '../../base/assert.js';

const ROW_FLOATS = 16;
const FLOAT_BYTES = 8;

const LIMIT_COUNTER_NAMES = [
  /** Keys with a row (or with requests in flight), including keys at rest: a level, not a sum. */
  'trackedKeys',
  /** Keys that lost their row while some of their limit was used. */
  'evictions',
  /** Admissions taken, including those granted in advance, minus those that came back. */
  'admitted',
  'refused',
  /** Requests that the limit would have refused without the mode `shadow`. */
  'shadowRefused',
  /** Requests refused because their key found no row; they count as refused too. */
  'refusedNewKeys',
  /** Admissions given to workers in advance. */
  'granted',
  /** Of limits whose cost replies tell: what was reserved, in units of the limit. */
  'costReserved',
  /** What requests that have ended have cost: as told, or their reserve. */
  'costSettled',
  /** Requests that cost their reserve since nobody told what they cost. */
  'costUnknown',
] as const;

export type LimitCounter = (typeof LIMIT_COUNTER_NAMES)[number];
export type LimitCountValues = Record<LimitCounter, number>;

export function allocateLimitCounts(limiterCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, limiterCount) * ROW_FLOATS * FLOAT_BYTES);
}

/** The place of a counter in its row. To be looked up once, not for each count. */
export function limitCounter(name: LimitCounter): number {
  return LIMIT_COUNTER_NAMES.indexOf(name);
}

/** Main thread: clears the row for another limiter; nobody else uses the row at this time. */
export function clearLimitCounts(
  buffers: readonly SharedArrayBuffer[],
  limiterIndex: number,
): void {
  const start = limiterIndex * ROW_FLOATS;
  for (const buffer of buffers) new Float64Array(buffer).fill(0, start, start + ROW_FLOATS);
}

/** One buffer, for its writer. */
export class LimitCounts {
  private readonly floats: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    assert(LIMIT_COUNTER_NAMES.length <= ROW_FLOATS, 'the counters fit their row');
    this.floats = new Float64Array(buffer);
  }

  count(limiterIndex: number, counter: number, amount: number): void {
    const at = limiterIndex * ROW_FLOATS + counter;
    this.floats[at] = (this.floats[at] as number) + amount;
  }

  put(limiterIndex: number, counter: number, value: number): void {
    this.floats[limiterIndex * ROW_FLOATS + counter] = value;
  }
}

/** The sums over all buffers. */
export class LimitCountsView {
  private readonly buffers: readonly Float64Array[];

  constructor(buffers: readonly SharedArrayBuffer[]) {
    this.buffers = buffers.map((buffer) => new Float64Array(buffer));
  }

  read(limiterIndex: number): LimitCountValues {
    const values = {} as LimitCountValues;
    LIMIT_COUNTER_NAMES.forEach((name, counter) => {
      const at = limiterIndex * ROW_FLOATS + counter;
      values[name] = this.buffers.reduce((sum, floats) => sum + (floats[at] as number), 0);
    });
    return values;
  }
}
