/**
 * The monotonic clock that every thread of the process shares.
 *
 * Thread: any (both ends). `performance.now()` counts from each thread's own start, so each thread
 * measures its offset to the process-wide monotonic clock once. Of several measurements the
 * quickest is kept: a thread that loses its CPU between the two readings of one measurement would
 * run behind the others for ever.
 */
import { performance } from 'node:perf_hooks';

/** Something that happens later, unless somebody cancels it. */
export interface Timer {
  /** Nothing happens any more. A timer may be cancelled more than once. */
  cancel(): void;
}

/** Where a thread has its time from. The functions need no receiver. */
export interface Clock {
  /** Milliseconds, with a fraction, on the monotonic clock; the same on every thread. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970. Wall time: it may jump either way, so nothing is measured with it. */
  readonly unixMs: () => number;
  /** Calls `step` once, after this turn of the event loop. */
  readonly afterTurn: (step: () => void) => void;
  /** Calls `step` once, after `delayMs`. A timer alone does not keep a thread alive. */
  readonly after: (delayMs: number, step: () => void) => Timer;
  /** Calls `step` every `intervalMs`, until it is cancelled. */
  readonly every: (intervalMs: number, step: () => void) => Timer;
}

/** One moment as both clocks tell it: what leads from one to the other. */
export interface Moment {
  readonly nowMs: number;
  readonly unixMs: number;
}

export function momentOf(clock: Pick<Clock, 'nowMs' | 'unixMs'>): Moment {
  return { nowMs: clock.nowMs(), unixMs: clock.unixMs() };
}

/** Gives numbers from 0 up to and without 1. For choices only: secrets come from node:crypto. */
export type Random = () => number;

const offsetMs = measureOffset();

/** The clock of the machine. */
export const systemClock: Clock = {
  nowMs: () => performance.now() + offsetMs,
  unixMs: Date.now,
  afterTurn: (step) => void setImmediate(step),
  after: (delayMs, step) => {
    const timer = setTimeout(step, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every: (intervalMs, step) => {
    const timer = setInterval(step, intervalMs).unref();
    return { cancel: () => clearInterval(timer) };
  },
};

/** Chance that nobody can foresee. */
export const systemRandom: Random = Math.random;

/** How many milliseconds the process-wide monotonic clock is ahead of this thread's. */
function measureOffset(): number {
  let offset = 0;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const before = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    const after = performance.now();
    if (after - before >= leastMs) continue;
    leastMs = after - before;
    offset = seconds * 1000 + nanoseconds / 1e6 - (before + after) / 2;
  }
  return offset;
}
