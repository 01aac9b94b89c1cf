/**
 * The coordinator's duty cycle: clock once, work, sleep when there was none.
 *
 * Thread: coordinator. Owns its end of the rings. The thread runs no event loop: nothing else
 * happens on it.
 */
import type { CoordinatorEnd, CoordinatorHandler } from '../channel/coordinator-end.js';

/** Does what is due with time, at least every PARK_MS_MAX. */
export interface TickingHandler extends CoordinatorHandler {
  onTick(nowMs: number): void;
}

/** Tells of successes wake nobody: they wait this long at most. The heartbeat is no slower. */
export const PARK_MS_MAX = 100;

export class AgentRunner {
  private isStopped = false;

  constructor(
    private readonly end: CoordinatorEnd,
    private readonly handler: TickingHandler,
    private readonly clock: () => number,
  ) {}

  /** Returns after {@link stop}, which a handler calls. */
  run(): void {
    while (!this.isStopped) {
      const workCount = this.runOnce();
      if (workCount === 0) this.end.park(PARK_MS_MAX);
    }
  }

  /** One cycle; the slots that were handled. */
  runOnce(): number {
    const nowMs = this.clock();
    this.end.status.beat(nowMs);
    this.handler.onTick(nowMs);
    return this.end.drain(this.handler, nowMs);
  }

  /** The cycle at hand is the last. */
  stop(): void {
    this.isStopped = true;
  }
}
