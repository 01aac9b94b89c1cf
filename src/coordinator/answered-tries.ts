/**
 * Tries in flight as the coordinator sees them: tries that workers have counted, and tries that it
 * has admitted in replies that are still on their way.
 *
 * Thread: coordinator. Owns a count of admitting replies for each lane and target. The count lies
 * in ordinary memory on purpose: a coordinator that ends between a decision and its reply leaves
 * nothing behind that would count for ever. Replies that are on their way at a restart are not
 * counted until they arrive.
 */
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import type { CoordinatorStatus } from '../channel/coordinator/coordinator-status.js';
import { TargetLoadView } from '../channel/coordinator/target-loads.js';

export class AnsweredTries {
  private readonly loads: TargetLoadView;
  private readonly answered: Int32Array;
  private readonly generations: Int32Array;

  constructor(
    memory: Pick<CoordinatorMemory, 'loads'>,
    private readonly targetCount: number,
    private readonly status: CoordinatorStatus,
  ) {
    this.loads = new TargetLoadView(memory.loads, targetCount, status);
    this.answered = new Int32Array(this.loads.laneCount * targetCount);
    this.generations = new Int32Array(this.loads.laneCount);
    for (let lane = 0; lane < this.loads.laneCount; lane += 1) this.begin(lane);
  }

  /**
   * The row belongs to another target than before, and no reply for the new target is on its way.
   */
  beginTarget(targetIndex: number): void {
    for (let lane = 0; lane < this.loads.laneCount; lane += 1) {
      this.answered[lane * this.targetCount + targetIndex] = this.loads.heardOf(lane, targetIndex);
    }
  }

  /** A reply that admits a try at this target is on its way to the worker of the lane. */
  onAdmitted(lane: number, targetIndex: number): void {
    if (this.generations[lane] !== this.status.generationOf(lane)) this.begin(lane);
    const at = lane * this.targetCount + targetIndex;
    this.answered[at] = (this.answered[at] as number) + 1;
  }

  /** Tries in flight at the target, of workers that live. */
  inFlightOf(targetIndex: number): number {
    let sum = 0;
    for (let lane = 0; lane < this.loads.laneCount; lane += 1) {
      if (!this.loads.isCurrent(lane)) continue;
      sum += this.loads.laneLoad(lane, targetIndex) + this.onItsWay(lane, targetIndex);
    }
    return sum;
  }

  /** Successes so far, wrapping. */
  successesOf(targetIndex: number): number {
    return this.loads.successesOf(targetIndex);
  }

  private onItsWay(lane: number, targetIndex: number): number {
    if (this.generations[lane] !== this.status.generationOf(lane)) return 0;
    const at = lane * this.targetCount + targetIndex;
    const count = ((this.answered[at] as number) - this.loads.heardOf(lane, targetIndex)) | 0;
    if (count >= 0) return count;
    // The worker has read replies of the previous coordinator, which this count does not have: both
    // counts are made equal here.
    this.answered[at] = this.loads.heardOf(lane, targetIndex);
    return 0;
  }

  /** Another worker serves this lane: nobody reads the replies to its predecessor. */
  private begin(lane: number): void {
    this.generations[lane] = this.status.generationOf(lane);
    for (let target = 0; target < this.targetCount; target += 1) {
      this.answered[lane * this.targetCount + target] = this.loads.heardOf(lane, target);
    }
  }
}
