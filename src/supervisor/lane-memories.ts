/**
 * The memory of lanes, which is used again when its worker or its acceptor has ended.
 *
 * Thread: supervisor. Owns the memory that no lane has. Shared memory that is dropped stays until
 * every thread that ever saw it has collected its garbage, and nothing presses a quiet thread to do
 * so: a gateway whose workers die again and again would grow with every death.
 *
 * Invariants: memory is in one lane, or waits for those who had it to let go, or is free. It is
 * cleared here, by nobody else, after all of these have let go and before anybody gets it again. Of
 * a worker that means that its thread has ended, or that it says so; of an acceptor the same. What
 * somebody may hold for ever is never used again. Each use has a generation of its own.
 */
import { allocateLane, type LaneMemory, reuseLane } from '../channel/lane.js';

export class LaneMemories {
  private readonly free: LaneMemory[] = [];
  private generation = 0;

  /** `freeMax`: memory of this number of lanes is kept; the rest is left to garbage collection. */
  constructor(private readonly freeMax: number) {}

  /** For one incarnation of a lane. */
  take(ringBytes: number): LaneMemory {
    this.generation += 1;
    const at = this.free.findIndex((memory) => memory.ringBytes === ringBytes);
    const [found] = at === -1 ? [] : this.free.splice(at, 1);
    if (found === undefined) return allocateLane(ringBytes, this.generation);
    return reuseLane(found, this.generation);
  }

  /** Resolves when it may be used again. Rejects when somebody who had it may have it still. */
  async retire(memory: LaneMemory, letGo: readonly Promise<unknown>[]): Promise<void> {
    await Promise.all(letGo);
    if (this.free.length < this.freeMax) this.free.push(memory);
  }
}
