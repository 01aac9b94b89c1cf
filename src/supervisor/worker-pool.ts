/**
 * The piscina pool that owns the worker threads.
 *
 * Thread: supervisor. Each thread runs one task for its whole life: "serve this lane". The pool
 * starts a new thread when one dies; the supervisor gives the lane to a new thread. There is one
 * spare thread more than lanes.
 */
import type { MessagePort, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { defined } from '../base/assert.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { LaneTask } from '../worker/lane-task.js';
import type { LaneThreads } from './threads.js';
import type { YoungGenerations } from './young-generations.js';

/** Longest wait, on closing, for tasks that were told to stop. */
const CLOSE_MS_MAX = 2000;

const ENTRY = new URL('../worker/worker-task.js', import.meta.url);

/**
 * Makes the pool; its threads start at once and load their code.
 *
 * @param young held already, until the spare thread is there; absent where the process is not ours.
 */
export function createWorkerPool(config: GatewaySettings, young?: YoungGenerations): WorkerPool {
  return new WorkerPool(createPiscina(config), young);
}

type GiveUp = (error: unknown) => void;

export class WorkerPool implements LaneThreads {
  /** Tasks that no thread may ever take: see onThreadLost. */
  private readonly serving = new Set<GiveUp>();
  private readonly warming = new Set<GiveUp>();

  constructor(
    private readonly piscina: Piscina,
    private readonly young?: YoungGenerations,
  ) {
    // Without a listener the death of a thread without a task would end the process.
    piscina.on('error', (error) => this.onThreadLost(error));
  }

  /**
   * The pool starts no thread in place of one that has died before it was ready, and a task that
   * waits in its queue waits for ever. Any lost thread may be the spare one that was to warm up; a
   * lane is served while there is one.
   */
  private onThreadLost(error: unknown): void {
    for (const giveUp of this.warming) giveUp(error);
    if (this.piscina.threads.length > 0) return;
    for (const giveUp of this.serving) giveUp(error);
  }

  onIdleError(listener: (error: unknown) => void): void {
    this.piscina.on('error', listener);
  }

  async serve(task: LaneTask): Promise<void> {
    const { port, doorbell, wakePort } = task;
    const transferList = [port, doorbell, wakePort] as MessagePort[];
    await this.run(task, { transferList }, this.serving);
  }

  async warmSpare(): Promise<void> {
    this.young?.hold();
    try {
      await this.run(undefined, { name: 'warmUp' }, this.warming);
    } finally {
      this.young?.letGrow();
    }
  }

  /** Until the task has ended, or is given up by way of `waiting`: then it leaves the queue. */
  private async run(
    task: LaneTask | undefined,
    options: Parameters<Piscina['run']>[1],
    waiting: Set<GiveUp>,
  ): Promise<void> {
    const controller = new AbortController();
    let giveUp: GiveUp = () => {};
    const lost = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    waiting.add(giveUp);
    try {
      await Promise.race([this.piscina.run(task, { ...options, signal: controller.signal }), lost]);
    } finally {
      waiting.delete(giveUp);
      controller.abort();
    }
  }

  async terminate(threadId: number): Promise<void> {
    await defined(this.threadOf(threadId), 'the thread of the lane').terminate();
  }

  whenEnded(threadId: number): Promise<void> {
    const thread = this.threadOf(threadId);
    return new Promise((resolve) => thread?.once('exit', () => resolve()));
  }

  private threadOf(threadId: number): Worker | undefined {
    return this.piscina.threads.find((worker) => worker.threadId === threadId);
  }

  async close(): Promise<void> {
    await this.piscina.close({ force: true });
  }
}

function createPiscina({ workers, limits }: GatewaySettings): Piscina {
  return new Piscina({
    filename: ENTRY.href,
    name: 'serveLane',
    minThreads: workers,
    // One spare thread, so that a lane whose worker died is served again at once.
    maxThreads: workers + 1,
    // A thread serves its lane for ever: it is never idle, and must not be ended for being idle.
    idleTimeout: Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: 1,
    // Any other value may stop the thread's event loop, and with it its sockets and timers.
    atomics: 'disabled',
    recordTiming: false,
    workerHistogram: false,
    closeTimeout: CLOSE_MS_MAX,
    resourceLimits: {
      maxYoungGenerationSizeMb: limits.youngGenerationMb,
      // A full heap ends its own thread and no other.
      ...(limits.workerHeapBytes === 0
        ? {}
        : { maxOldGenerationSizeMb: limits.workerHeapBytes / 2 ** 20 }),
    },
  });
}
