/**
 * What the main thread tells the coordinator: a worker is lost, a health check's result, there is
 * mail, stop.
 *
 * Thread: any (both ends). The main thread writes, the coordinator reads.
 *
 *     word  CONTROL slot
 *     0     kind
 *     1     lane             (worker lost), target   (health check)
 *     2     its generation   (worker lost), result   (health check)
 *
 * What finds no room, because the coordinator is down, waits here and is tried again with
 * whatever is told next.
 */
import type { CoordinatorMemory } from './coordinator-memory.js';
import { CoordinatorStatus } from './coordinator-status.js';
import { NO_SLOT, SlotRingProducer } from './slot-ring.js';

export const CONTROL_WORKER_LOST = 1;
export const CONTROL_MAIL = 2;
export const CONTROL_STOP = 3;
export const CONTROL_PROBE = 4;

/** Results of health checks that wait at most: later ones say the same anew. */
const PROBES_WAITING_MAX = 1024;

interface ControlTell {
  readonly kind: number;
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
   * The incarnation of a worker is gone for good and writes to its rings no more. Its asks that
   * are still in the ring are not answered, its probes are given back, and replies to it are
   * passed over by the next one, which may attach as soon as this returns. The new generation.
   */
  replaceWorker(lane: number): number {
    const lost = this.status.generationOf(lane);
    const next = this.status.startGeneration(lane);
    this.tell({ kind: CONTROL_WORKER_LOST, first: lane, second: lost });
    return next;
  }

  /** Something was posted to the coordinator's thread, which reads no messages by itself. */
  tellMail(): void {
    this.tell({ kind: CONTROL_MAIL, first: 0, second: 0 });
  }

  /** A health check of this target passed, or failed for this reason (target-states.ts). */
  tellProbe(targetIndex: number, result: number): void {
    if (this.waiting.length >= PROBES_WAITING_MAX) return;
    this.tell({ kind: CONTROL_PROBE, first: targetIndex, second: result });
  }

  /** The coordinator's thread ends after the work that it has in hand. */
  tellStop(): void {
    this.tell({ kind: CONTROL_STOP, first: 0, second: 0 });
  }

  /** Tries again what found no room; to be called after the coordinator was started again. */
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
