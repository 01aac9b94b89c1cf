/**
 * Who holds which probe of which target.
 *
 * Thread: coordinator. Owns the probe table in shared memory, so that a coordinator that is started
 * again still knows which probes to expect, and so that the probes of a dead worker come back.
 *
 *     PROBES_MAX places for each target, four words a place
 *     +0 ticket, 0: free   +1 lane   +2 lane generation   +3 ask id
 *
 * Invariant: a ticket is in the table from its reply until it is settled, once.
 */
import { assert } from '../../base/assert.js';

/** The ask that got a ticket. */
export interface ProbeHolder {
  readonly lane: number;
  readonly generation: number;
  readonly askId: number;
}

/** {@link ProbeTable.releaseAllOf} calls this for each probe that it removes. */
export interface ReleaseHandler {
  onProbeReleased(targetIndex: number, nowMs: number): void;
}

/** Most probes of one target at a time. */
export const PROBES_MAX = 100;

const PLACE_WORDS = 4;
const LANE_WORD = 1;
const GENERATION_WORD = 2;
const ASK_WORD = 3;

const TARGET_WORDS = PROBES_MAX * PLACE_WORDS;

export function probeTableBytes(targetCount: number): number {
  return targetCount * TARGET_WORDS * 4;
}

/** Main thread: clears the places for another target; nobody else uses them at this time. */
export function clearProbePlaces(buffer: ArrayBufferLike, targetIndex: number): void {
  const start = targetIndex * TARGET_WORDS;
  new Int32Array(buffer).fill(0, start, start + TARGET_WORDS);
}

export class ProbeTable {
  private readonly words: Int32Array;

  /** `targetIndexes`: the rows of all present targets. */
  constructor(
    buffer: ArrayBufferLike,
    private readonly targetIndexes: readonly number[],
  ) {
    this.words = new Int32Array(buffer);
  }

  /** Notes the holder of a ticket. */
  record(targetIndex: number, ticket: number, holder: ProbeHolder): void {
    assert(ticket > 0, 'a probe has a ticket');
    const at = this.find(targetIndex, 0);
    assert(at !== -1, 'there is a place for each probe that is admitted');
    this.words[at + LANE_WORD] = holder.lane;
    this.words[at + GENERATION_WORD] = holder.generation;
    this.words[at + ASK_WORD] = holder.askId;
    this.words[at] = ticket;
  }

  /** Removes the ticket. False: it was settled before. */
  take(targetIndex: number, ticket: number): boolean {
    const at = this.find(targetIndex, ticket);
    if (at === -1) return false;
    this.words[at] = 0;
    return true;
  }

  /** Removes the ticket that was given for this ask. False: there is none. */
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

  /** Removes all tickets of the target. */
  clear(targetIndex: number): void {
    const end = this.startOf(targetIndex + 1);
    for (let at = this.startOf(targetIndex); at < end; at += PLACE_WORDS) {
      // Reading first leaves the memory of a target that was never half-open untouched.
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

  /** Removes all probes that workers of this lane hold, up to this generation. */
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
