/**
 * Runs a few pieces of work at a time, lets a few more wait, and refuses the rest.
 *
 * Thread: worker.
 */
export class WorkQueue {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly atOnceMax: number,
    private readonly waitingMax: number,
  ) {}

  /** The result of the work; null: there is no room for it. */
  run<T>(work: () => Promise<T>): Promise<T> | null {
    if (this.running < this.atOnceMax) return this.start(work);
    if (this.waiting.length >= this.waitingMax) return null;
    return new Promise((resolve) => {
      this.waiting.push(() => resolve(this.start(work)));
    });
  }

  private async start<T>(work: () => Promise<T>): Promise<T> {
    this.running++;
    try {
      return await work();
    } finally {
      this.running--;
      this.waiting.shift()?.();
    }
  }
}
