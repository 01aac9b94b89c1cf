/**
 * The piscina pool that owns the worker threads.
 *
 * Thread: supervisor. Each thread runs one task for its whole life: "serve this lane". The pool
 * starts a new thread when one dies; giving it the lane again is the supervisor's part. One
 * thread more than there are lanes stands by.
 */
import { Piscina } from 'piscina';
import type { CompiledConfig } from '../config/compiled-config.js';

/** Closing waits for tasks that were told to stop; this bounds the wait. */
const CLOSE_MS_MAX = 2000;

/**
 * Keeps a thread that has loaded all it needs and waits for a lane: one whose worker died is then
 * served again at once. Calling it while there is one does no harm.
 */
export async function warmSpare(pool: Piscina): Promise<void> {
  await pool.run(undefined, { name: 'warmUp' });
}

/**
 * Twice V8's own size: half as many collections, and what a request leaves is dead by the next one.
 * The memory is taken only under load.
 */
const YOUNG_GENERATION_MB_MAX = 96;

const ENTRY = new URL('../worker/worker-task.js', import.meta.url);

/** Its threads start at once, and load their code. */
export function createWorkerPool({ workers, limits }: CompiledConfig): Piscina {
  const pool = new Piscina({
    filename: ENTRY.href,
    name: 'serveLane',
    minThreads: workers,
    // One more stands by, see warmSpare().
    maxThreads: workers + 1,
    // A thread serves its lane for ever: it is never idle, and must not be ended as such.
    idleTimeout: Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: 1,
    // Any other value may stop the thread's event loop, and with it its sockets and timers.
    atomics: 'disabled',
    recordTiming: false,
    workerHistogram: false,
    closeTimeout: CLOSE_MS_MAX,
    resourceLimits: {
      maxYoungGenerationSizeMb: YOUNG_GENERATION_MB_MAX,
      // A heap that is full ends its own thread, and no other.
      ...(limits.workerHeapBytes === 0
        ? {}
        : { maxOldGenerationSizeMb: limits.workerHeapBytes / 2 ** 20 }),
    },
  });
  // Heard by whoever runs the tasks; an error that no listener takes would end the process.
  pool.on('error', () => {});
  return pool;
}
