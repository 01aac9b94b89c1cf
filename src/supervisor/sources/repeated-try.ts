/**
 * When what was refused is tried again: a port may be free by then, a file or a secret be there.
 *
 * Thread: supervisor (on the main thread). Owns the timer. The wait doubles with each refusal.
 */
import type { Clock, Random, Timer } from '../../base/clock.js';
import type { NextTry } from '../../base/store-origin.js';

const WAIT_MS_MIN = 5_000;
const WAIT_MS_MAX = 5 * 60_000;

export interface RepeatedTryOptions {
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
  readonly random: Random;
  /** The first wait, without what chance adds to it. Default: 5 s. */
  readonly waitMsMin?: number | undefined;
  tryAgain(): unknown;
}

export class RepeatedTry {
  private timer: Timer | null = null;
  private refusals = 0;
  private atMs = 0;

  constructor(private readonly options: RepeatedTryOptions) {}

  /** It was refused, and is tried again later. */
  onRefused(): void {
    this.refusals += 1;
    this.postpone();
  }

  /** It cannot be tried now, and is tried after as long a wait as the one before. */
  postpone(): void {
    const { clock, random, waitMsMin = WAIT_MS_MIN, tryAgain } = this.options;
    this.timer?.cancel();
    const doublings = Math.min(Math.max(0, this.refusals - 1), 16);
    const waitMs = Math.min(WAIT_MS_MAX, waitMsMin * 2 ** doublings);
    // Gateways that were refused together do not all come back together.
    const spreadMs = waitMs * (1 + random() / 2);
    this.atMs = clock.nowMs() + spreadMs;
    this.timer = clock.after(spreadMs, () => {
      this.timer = null;
      tryAgain();
    });
  }

  /** There is nothing to try any more. */
  forget(): void {
    this.timer?.cancel();
    this.timer = null;
    this.refusals = 0;
  }

  /** null: nothing waits to be tried again. */
  get next(): NextTry | null {
    if (this.timer === null) return null;
    const inMs = Math.max(0, Math.round(this.atMs - this.options.clock.nowMs()));
    return { refusals: this.refusals, inMs };
  }
}
