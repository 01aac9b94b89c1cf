/**
 * A thread's figures in shared memory: one writer, any number of readers.
 *
 * Thread: any (both ends). Figures are doubles, so that they never wrap. A reader may see a figure
 * that is a moment old. observability/counters.ts says which figure stands where.
 */
import { lineRingBytes } from './line-ring.js';
import { REFUSAL_RING_BYTES } from './refusal-ring.js';

const CACHE_LINE_BYTES = 128;
const FIGURE_BYTES = 8;
/** Of a text in the place of figures. */
const LENGTH_MAX = 255;

/** Where a thread counts. */
export type CounterMemory = SharedArrayBuffer;

/**
 * Memory for `count` figures, a ring of refusals, and a ring of records of at most `recordBytes`,
 * each on cache lines of its own.
 */
export function allocateCounters(count: number, recordBytes = 0): CounterMemory {
  return new SharedArrayBuffer(recordRingOffset(count) + lineRingBytes(recordBytes));
}

/** Where the ring of refusals begins in such memory. */
export function refusalRingOffset(count: number): number {
  return Math.ceil((count * FIGURE_BYTES) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
}

/** Where the ring of records begins, or where the memory ends: then there is none. */
export function recordRingOffset(count: number): number {
  return refusalRingOffset(count) + REFUSAL_RING_BYTES;
}

export class CounterBlock {
  private readonly figures: Float64Array;
  private readonly bytes: Buffer;

  constructor(buffer: SharedArrayBuffer) {
    this.figures = new Float64Array(buffer);
    this.bytes = Buffer.from(buffer);
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
   * Counts an amount in a histogram: a figure for each bound, one for amounts above all bounds,
   * then the sum. Hot path, watched by bench/micro/observability/counters: once or twice a request.
   */
  observe(index: number, bounds: readonly number[], amount: number): void {
    let bucket = 0;
    while (bucket < bounds.length && amount > (bounds[bucket] ?? 0)) bucket += 1;
    this.add(index + bucket, 1);
    this.add(index + bounds.length + 1, amount);
  }

  /**
   * Adds figures to others and sets them to 0, because they will count something else from now on.
   * The owning thread does not use them at this time.
   */
  retire(first: number, count: number, into: number): void {
    for (let at = 0; at < count; at += 1) this.add(into + at, this.read(first + at));
    this.clear(first, count);
  }

  /**
   * Sets figures to 0, because they will count something else from now on. The owning thread does
   * not use them at this time.
   */
  clear(first: number, count: number): void {
    this.figures.fill(0, first, first + count);
  }

  /**
   * Puts a short ASCII text in the place of `count` figures: its length in the first byte, then its
   * characters. False: it is too long. Only the owning thread may.
   */
  putText(index: number, count: number, text: string): boolean {
    const start = index * FIGURE_BYTES;
    const charsMax = Math.min(count * FIGURE_BYTES - 1, LENGTH_MAX);
    if (text.length > charsMax) return false;
    this.bytes.write(text, start + 1, 'latin1');
    this.bytes[start] = text.length;
    return true;
  }

  /** The text in the place of figures; '': there is none. */
  readText(index: number, count: number): string {
    const start = index * FIGURE_BYTES;
    const length = Math.min(this.bytes[start] ?? 0, count * FIGURE_BYTES - 1);
    return this.bytes.toString('latin1', start + 1, start + 1 + length);
  }

  read(index: number): number {
    return this.figures[index] ?? 0;
  }
}
