/**
 * Whether a gateway that starts still waits for what its sources of targets say.
 *
 * Thread: supervisor (on the main thread). Only a gateway that starts waits, and for some time: a
 * source that is away must not take down gateways that serve other upstreams.
 */
import type { Clock } from '../../base/clock.js';

/** How long a gateway is not ready while a source has never answered. */
const WAIT_MS = 10_000;

export class FirstAnswers {
  private readonly madeMs: number;
  private isOver = false;

  /** `unanswered`: upstreams whose sources have never answered. */
  constructor(
    private readonly clock: Pick<Clock, 'nowMs'>,
    private readonly unanswered: () => readonly string[],
  ) {
    this.madeMs = clock.nowMs();
  }

  /** Never true again once it was false. */
  get areAwaited(): boolean {
    if (this.isOver) return false;
    const isLate = this.clock.nowMs() - this.madeMs >= WAIT_MS;
    this.isOver = isLate || this.unanswered().length === 0;
    return !this.isOver;
  }
}
