/**
 * The other thread of a channel bench: started, listened to with a deadline, and ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Transferable, Worker } from 'node:worker_threads';

const MESSAGE_DEADLINE_MS = 30_000;

export class PeerThread {
  readonly #worker: Worker;
  readonly #waiting: ((message: unknown) => void)[] = [];
  readonly #received: unknown[] = [];
  #fail: (error: Error) => void = () => undefined;
  readonly #failed = new Promise<never>((_resolve, reject) => {
    this.#fail = reject;
  });

  constructor(entry: URL, workerData: unknown, transferList: Transferable[] = []) {
    this.#worker = new Worker(entry, { workerData, transferList });
    this.#failed.catch(() => undefined);
    this.#worker.on('error', (error) => this.#fail(error as Error));
    this.#worker.on('message', (message: unknown) => {
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#received.push(message);
      else waiter(message);
    });
  }

  /** The next thing it posts; rejects when it fails or says nothing for half a minute. */
  async next(): Promise<unknown> {
    if (this.#received.length > 0) return this.#received.shift();
    const timer = new AbortController();
    const tooLate = sleep(MESSAGE_DEADLINE_MS, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`the other thread said nothing for ${MESSAGE_DEADLINE_MS} ms`);
    });
    tooLate.catch(() => undefined);
    try {
      const message = new Promise<unknown>((resolve) => this.#waiting.push(resolve));
      return await Promise.race([message, this.#failed, tooLate]);
    } finally {
      timer.abort();
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
