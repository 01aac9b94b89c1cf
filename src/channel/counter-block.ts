/**
 * A thread's figures in shared memory: one writer, any number of readers.
 *
 * Thread: any (both ends). Doubles, so that a figure never wraps; a reader may see one that is a
 * moment old. What lies where is the business of observability/counters.ts.
 */

const CACHE_LINE_BYTES = 128;

/** Memory for `count` figures, on cache lines of its own. */
export function allocateCounters(count: number): SharedArrayBuffer {
  const bytes = count * 8;
  return new SharedArrayBuffer(Math.ceil(bytes / CACHE_LINE_BYTES) * CACHE_LINE_BYTES);
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

  /** Figures that are to count something else from now on; the owning thread does not use them. */
  clear(first: number, count: number): void {
    this.figures.fill(0, first, first + count);
  }

  read(index: number): number {
    return this.figures[index] ?? 0;
  }
}
