/**
 * What the main thread tells the coordinator: a worker is lost, a health check has a result,
 * discovery has found other targets, a message was posted, stop.
 *
 * Thread: any (both ends). The main thread writes, the coordinator reads.
 *
 *     word  CONTROL slot
 *     0     kind
 *     1     lane             (worker lost), target   (health check)
 *     2     its generation   (worker lost), result   (health check)
 *
 * While the coordinator is down the ring may be full. A slot that finds no room then waits here,
 * and the next call tries it again.
 */
import type { CoordinatorMemory } from './coordinator-memory.js';
import { CoordinatorStatus } from './coordinator-status.js';
import { NO_SLOT, SlotRingProducer } from './slot-ring.js';
import type { CheckResult } from './target-states.js';

export const CONTROL_WORKER_LOST = 1;
export const CONTROL_MAIL = 2;
export const CONTROL_STOP = 3;
export const CONTROL_PROBE = 4;
export const CONTROL_TARGETS = 5;
export type ControlKind =
  | typeof CONTROL_WORKER_LOST
  | typeof CONTROL_MAIL
  | typeof CONTROL_STOP
  | typeof CONTROL_PROBE
  | typeof CONTROL_TARGETS;

/**
 * While this number of slots waits, results of health checks are dropped: the next check brings a
 * new result.
 */
const PROBES_WAITING_MAX = 1024;

interface ControlTell {
  readonly kind: ControlKind;
  readonly first: number;
  readonly second: number;
}

/** The main thread's end. */
export class CoordinatorControl {
  private readonly ring: SlotRingProducer;
  private readonly status: CoordinatorStatus;
  private waiting: ControlTell[] = [];

  constructor(memory: CoordinatorMemory) {
    this.ring = new SlotRingProducer(memory.control);
    this.status = new CoordinatorStatus(memory.status);
  }

  /**
   * The lane's worker has ended and writes to its rings no more. The coordinator drops its asks,
   * gives its probes back, and its successor skips replies to it. The successor may attach as soon
   * as this returns. Returns the new generation.
   */
  replaceWorker(lane: number): number {
    const lost = this.status.generationOf(lane);
    const next = this.status.startGeneration(lane);
    this.tell({ kind: CONTROL_WORKER_LOST, first: lane, second: lost });
    return next;
  }

  /** A message was posted to the coordinator's thread, which does not read messages by itself. */
  tellMail(): void {
    this.tell({ kind: CONTROL_MAIL, first: 0, second: 0 });
  }

  /** A health check of this target passed, or failed for this reason (target-states.ts). */
  tellProbe(targetIndex: number, result: CheckResult): void {
    if (this.waiting.length >= PROBES_WAITING_MAX) return;
    this.tell({ kind: CONTROL_PROBE, first: targetIndex, second: result });
  }

  /** Rows of target-slots.ts have changed. */
  tellTargets(): void {
    // One that waits says as much as two.
    if (this.waiting.some(({ kind }) => kind === CONTROL_TARGETS)) return;
    this.tell({ kind: CONTROL_TARGETS, first: 0, second: 0 });
  }

  /** The coordinator's thread ends after its current work. */
  tellStop(): void {
    this.tell({ kind: CONTROL_STOP, first: 0, second: 0 });
  }

  /** Tries the waiting slots again. To be called after the coordinator was started again. */
  flush(): void {
    const left = this.waiting.findIndex((tell) => !this.write(tell));
    this.waiting = left === -1 ? [] : this.waiting.slice(left);
    this.ring.publish();
    this.status.wakeCoordinator();
  }

  private tell(tell: ControlTell): void {
    this.waiting.push(tell);
    this.flush();
  }

  private write(tell: ControlTell): boolean {
    const base = this.ring.claim();
    if (base === NO_SLOT) return false;
    this.ring.words[base] = tell.kind;
    this.ring.words[base + 1] = tell.first;
    this.ring.words[base + 2] = tell.second;
    return true;
  }
}
