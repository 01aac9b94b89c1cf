/**
 * The monotonic clock that every thread of the process shares.
 *
 * Thread: any (both ends). `performance.now()` counts from each thread's own start, so the
 * offset to the process-wide monotonic clock is taken once per thread. It is taken several times
 * and the one kept in which the least time passed meanwhile: a thread that is set aside between
 * the two readings would be behind the others for ever.
 */
import { performance } from 'node:perf_hooks';

const offsetMs = measureOffset();

/** Milliseconds (with fraction) on the monotonic clock; the same on every thread. */
export function monotonicMs(): number {
  return performance.now() + offsetMs;
}

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
