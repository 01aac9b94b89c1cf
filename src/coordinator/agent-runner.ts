/**
 * The coordinator's duty cycle: read the clock once, work, sleep when there was no work.
 *
 * Thread: coordinator. Owns its end of the rings. The thread runs no event loop: nothing else
 * happens on the thread.
 */
import {
  type CoordinatorEnd,
  type CoordinatorHandler,
  LANE_BATCH_MAX,
} from '../channel/coordinator/coordinator-end.js';
import { REQUEST_SLOTS } from '../channel/coordinator/coordinator-memory.js';

/** Does what is due by the clock; called at least every PARK_MS_MAX. */
export interface TickingHandler extends CoordinatorHandler {
  /** When it has something to do; infinite: not before it is asked. */
  readonly nextDueMs: number;
  onTick(nowMs: number): void;
}

/**
 * Longest sleep. Success tells do not wake the coordinator; it reads them within this time. The
 * heartbeat comes as often.
 */
export const PARK_MS_MAX = 100;

/** Cycles that read everything that the rings of the lanes can hold. */
const RING_CYCLES = REQUEST_SLOTS / LANE_BATCH_MAX;

export class AgentRunner {
  private isStopped = false;
  private afterRings: (() => void) | null = null;
  private cyclesLeft = 0;

  constructor(
    private readonly end: CoordinatorEnd,
    private readonly handler: TickingHandler,
    private readonly clock: () => number,
  ) {}

  /** Does something between two cycles, after everything that lies in the rings now was handled. */
  runAfterRings(step: () => void): void {
    this.afterRings = step;
    this.cyclesLeft = RING_CYCLES;
  }

  /** Returns after {@link stop}, which a handler calls. */
  run(): void {
    while (!this.isStopped) {
      const workCount = this.runOnce();
      if (workCount === 0 && this.afterRings === null) this.end.park(this.parkMs());
    }
  }

  private parkMs(): number {
    return Math.max(0, Math.min(PARK_MS_MAX, this.handler.nextDueMs - this.clock()));
  }

  /** Runs one cycle, and returns the number of slots handled. */
  runOnce(): number {
    const nowMs = this.clock();
    this.end.status.beat(nowMs);
    this.handler.onTick(nowMs);
    const workCount = this.end.drain(this.handler, nowMs);
    if (this.afterRings !== null) this.countDown(this.afterRings);
    return workCount;
  }

  private countDown(step: () => void): void {
    this.cyclesLeft -= 1;
    if (this.cyclesLeft >= 0) return;
    this.afterRings = null;
    step();
  }

  /** The current cycle is the last. */
  stop(): void {
    this.isStopped = true;
  }
}
