/**
 * Waits for one answer from another thread, and limits the wait.
 *
 * Thread: supervisor. Owns a timer while somebody waits.
 */

import type { Clock, Timer } from '../base/clock.js';

/**
 * Longest wait for a thread that is asked to take a configuration. Longer than a plugin may take to
 * be set up: whoever names the plugin answers first.
 */
const ANSWER_MS_MAX = 15_000;

interface Waiting {
  readonly name: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

export class AwaitedAnswer {
  private waiting: Waiting | null = null;

  /** `who` is named in the error when no answer comes in time. */
  constructor(
    private readonly who: string,
    private readonly clock: Clock,
  ) {}

  /** Resolves when `give` is called with this name. Only one wait at a time. */
  wait(name: string): Promise<void> {
    this.failAny(new Error(`${this.who} was asked for something else`));
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(ANSWER_MS_MAX, () => {
        this.waiting = null;
        reject(new Error(`${this.who} did not answer within ${ANSWER_MS_MAX / 1000} s`));
      });
      this.waiting = { name, resolve, reject, timer };
    });
  }

  /** False: nobody waits for this. */
  give(name: string): boolean {
    if (this.waiting?.name !== name) return false;
    this.end().resolve();
    return true;
  }

  /** Rejects the wait for this, if there is one. */
  fail(name: string, error: Error): void {
    if (this.waiting?.name === name) this.end().reject(error);
  }

  /** Rejects the wait, whatever it is for. */
  failAny(error: Error): void {
    if (this.waiting !== null) this.end().reject(error);
  }

  /** Resolves the wait, since its answer is no longer needed. */
  release(): void {
    if (this.waiting !== null) this.end().resolve();
  }

  private end(): Waiting {
    const waiting = this.waiting as Waiting;
    waiting.timer.cancel();
    this.waiting = null;
    return waiting;
  }
}
