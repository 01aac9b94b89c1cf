/**
 * The piscina pool that owns the worker threads.
 *
 * Thread: supervisor. Each thread runs one task for its whole life: "serve this lane". The pool
 * starts a new thread when one dies; giving it the lane again is the supervisor's part.
 */
import { Piscina } from 'piscina';

/** Closing waits for tasks that were told to stop; this bounds the wait. */
const CLOSE_MS_MAX = 2000;

/**
 * Twice V8's own size: half as many collections, and what a request leaves is dead by the next one.
 * The memory is taken only under load.
 */
const YOUNG_GENERATION_MB_MAX = 96;

/** `entry`: the file with the task; `taskName`: its export. */
export function createWorkerPool(entry: URL, taskName: string, workers: number): Piscina {
  return new Piscina({
    filename: entry.href,
    name: taskName,
    minThreads: workers,
    maxThreads: workers,
    // A thread serves its lane for ever: it is never idle, and must not be ended as such.
    idleTimeout: Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: 1,
    // Any other value may stop the thread's event loop, and with it its sockets and timers.
    atomics: 'disabled',
    recordTiming: false,
    workerHistogram: false,
    closeTimeout: CLOSE_MS_MAX,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB_MAX },
  });
}
