/**
 * The monotonic clock that every thread of the process shares.
 *
 * Thread: any (both ends). `performance.now()` counts from each thread's own start, so the
 * offset to the process-wide monotonic clock is taken once per thread.
 */
import { performance } from 'node:perf_hooks';

const [startSeconds, startNanoseconds] = process.hrtime();
const offsetMs = startSeconds * 1000 + startNanoseconds / 1e6 - performance.now();

/** Milliseconds (with fraction) on the monotonic clock; the same on every thread. */
export function monotonicMs(): number {
  return performance.now() + offsetMs;
}
