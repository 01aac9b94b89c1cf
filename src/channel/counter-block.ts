/**
 * A thread's figures in shared memory: one writer, any number of readers.
 *
 * Thread: any (both ends). Doubles, so that a figure never wraps; a reader may see one that is a
 * moment old. What lies where is the business of observability/counters.ts.
 */
import { REFUSAL_RING_BYTES } from './refusal-ring.js';

const CACHE_LINE_BYTES = 128;

/** Memory for `count` figures and a ring of refusals behind them, on cache lines of its own. */
export function allocateCounters(count: number): SharedArrayBuffer {
  return new SharedArrayBuffer(refusalRingOffset(count) + REFUSAL_RING_BYTES);
}

/** Where the ring of refusals begins in such memory. */
export function refusalRingOffset(count: number): number {
  return Math.ceil((count * 8) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
}

export class CounterBlock {
  private readonly figures: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.figures = new Float64Array(buffer);
  }

  /** Adds to a figure. Only the owning thread may. */
  add(index: number, amount = 1): void {
    this.figures[index] = (this.figures[index] ?? 0) + amount;
  }

  /** Sets a figure that is a level, not a sum. Only the owning thread may. */
  put(index: number, value: number): void {
    this.figures[index] = value;
  }

  /**
   * Puts an amount into a histogram: a figure for each bound, one for what is above all of them,
   * then the sum. Hot path: once or twice for every request.
   */
  observe(index: number, bounds: readonly number[], amount: number): void {
    let bucket = 0;
    while (bucket < bounds.length && amount > (bounds[bucket] ?? 0)) bucket += 1;
    this.add(index + bucket, 1);
    this.add(index + bounds.length + 1, amount);
  }

  /**
   * Adds figures to others and sets them to 0, when they are to count something else from now on.
   * The owning thread does not use any of them.
   */
  retire(first: number, count: number, into: number): void {
    for (let at = 0; at < count; at += 1) this.add(into + at, this.read(first + at));
    this.clear(first, count);
  }

  /** Figures that are to count something else from now on; the owning thread does not use them. */
  clear(first: number, count: number): void {
    this.figures.fill(0, first, first + count);
  }

  read(index: number): number {
    return this.figures[index] ?? 0;
  }
}
