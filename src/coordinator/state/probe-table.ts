/**
 * Who holds which probe of which target.
 *
 * Thread: coordinator. Owns the probe table in shared memory, so that a coordinator that is
 * started again still knows whom to wait for, and a worker that dies gives its probes back.
 *
 *     PROBES_MAX places for each target, four words a place
 *     +0 ticket, 0: free   +1 lane   +2 lane generation   +3 ask id
 *
 * Invariant: a ticket is in the table from its reply until it is settled, once.
 */
import { assert } from '../../base/assert.js';

/** Who got a ticket, and for which ask. */
export interface ProbeHolder {
  readonly lane: number;
  readonly generation: number;
  readonly askId: number;
}

/** Called for each probe that {@link ProbeTable.releaseAllOf} takes out. */
export interface ReleaseHandler {
  onProbeReleased(targetIndex: number, nowMs: number): void;
}

/** Places of one target: more probes than this at once are no probes. */
export const PROBES_MAX = 100;

const PLACE_WORDS = 4;
const LANE_WORD = 1;
const GENERATION_WORD = 2;
const ASK_WORD = 3;

const TARGET_WORDS = PROBES_MAX * PLACE_WORDS;

export function probeTableBytes(targetCount: number): number {
  return targetCount * TARGET_WORDS * 4;
}

/** Main thread: the places are to belong to another target, and nobody else uses them now. */
export function clearProbePlaces(buffer: ArrayBufferLike, targetIndex: number): void {
  const start = targetIndex * TARGET_WORDS;
  new Int32Array(buffer).fill(0, start, start + TARGET_WORDS);
}

export class ProbeTable {
  private readonly words: Int32Array;

  /** `targetIndexes`: the targets that there are now. */
  constructor(
    buffer: ArrayBufferLike,
    private readonly targetIndexes: readonly number[],
  ) {
    this.words = new Int32Array(buffer);
  }

  /** Notes who got a ticket. */
  record(targetIndex: number, ticket: number, holder: ProbeHolder): void {
    assert(ticket > 0, 'a probe has a ticket');
    const at = this.find(targetIndex, 0);
    assert(at !== -1, 'there is a place for each probe that is admitted');
    this.words[at + LANE_WORD] = holder.lane;
    this.words[at + GENERATION_WORD] = holder.generation;
    this.words[at + ASK_WORD] = holder.askId;
    this.words[at] = ticket;
  }

  /** Takes the ticket out; false: it was settled before. */
  take(targetIndex: number, ticket: number): boolean {
    const at = this.find(targetIndex, ticket);
    if (at === -1) return false;
    this.words[at] = 0;
    return true;
  }

  /** Takes the ticket out that was given for this very ask; false: there is none. */
  takeOfAsk(targetIndex: number, holder: ProbeHolder): boolean {
    const end = this.startOf(targetIndex + 1);
    for (let at = this.startOf(targetIndex); at < end; at += PLACE_WORDS) {
      const isOfAsk =
        this.words[at] !== 0 &&
        this.words[at + LANE_WORD] === holder.lane &&
        this.words[at + GENERATION_WORD] === holder.generation &&
        this.words[at + ASK_WORD] === holder.askId;
      if (!isOfAsk) continue;
      this.words[at] = 0;
      return true;
    }
    return false;
  }

  /** The target waits for no probe any more. */
  clear(targetIndex: number): void {
    const end = this.startOf(targetIndex + 1);
    for (let at = this.startOf(targetIndex); at < end; at += PLACE_WORDS) {
      // Read first: the places of a target that was never half-open stay untouched memory.
      if (this.words[at] !== 0) this.words[at] = 0;
    }
  }

  countOf(targetIndex: number): number {
    let count = 0;
    const end = this.startOf(targetIndex + 1);
    for (let at = this.startOf(targetIndex); at < end; at += PLACE_WORDS) {
      if (this.words[at] !== 0) count += 1;
    }
    return count;
  }

  /** Takes out all probes that a worker of this lane holds, up to this generation. */
  releaseAllOf(lane: number, generation: number, nowMs: number, handler: ReleaseHandler): number {
    let count = 0;
    for (const target of this.targetIndexes) {
      const end = this.startOf(target + 1);
      for (let at = this.startOf(target); at < end; at += PLACE_WORDS) {
        if (!this.isHeldBy(at, lane, generation)) continue;
        this.words[at] = 0;
        count += 1;
        handler.onProbeReleased(target, nowMs);
      }
    }
    return count;
  }

  private isHeldBy(at: number, lane: number, generation: number): boolean {
    if (this.words[at] === 0 || this.words[at + LANE_WORD] !== lane) return false;
    return (((this.words[at + GENERATION_WORD] as number) - generation) | 0) <= 0;
  }

  private find(targetIndex: number, ticket: number): number {
    const end = this.startOf(targetIndex + 1);
    for (let at = this.startOf(targetIndex); at < end; at += PLACE_WORDS) {
      if (this.words[at] === ticket) return at;
    }
    return -1;
  }

  private startOf(targetIndex: number): number {
    return targetIndex * TARGET_WORDS;
  }
}
