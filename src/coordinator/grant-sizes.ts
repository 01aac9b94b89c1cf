/**
 * Decides how many targets of an upstream a worker gets in advance.
 *
 * Thread: coordinator. Owns a heat for each worker and upstream; a new coordinator begins cold.
 *
 * A worker asks for a grant when the last one is at least half used, and the time between two such
 * asks is how long the grant lasted. Asks that follow each other quickly raise the heat: the first
 * few get nothing in advance, so that a client that sends one request after the other sees strict
 * turns; then 1, 2, 4 … 32, 60. A grant that lasted longer lowers the heat by one step, and a pause
 * resets it. An upstream with one target has no turns to keep.
 */
import { defined } from '../base/assert.js';
import { GRANT_COUNT_MAX } from '../channel/coordinator/coordinator-records.js';

/** A grant used up within this time was too small. */
export const GRANT_HOT_MS = 20;
/** After this time without an ask the heat is reset. */
const GRANT_COLD_MS = 200;
/** Quick asks that get nothing in advance. */
export const GRANT_WARM_UP_ASKS = 8;

const HEAT_MAX = GRANT_WARM_UP_ASKS + Math.ceil(Math.log2(GRANT_COUNT_MAX)) + 1;

export class GrantSizes {
  private readonly heats: Uint8Array;
  private readonly askedMs: Float64Array;

  constructor(
    laneCount: number,
    private readonly upstreamCount: number,
  ) {
    this.heats = new Uint8Array(laneCount * upstreamCount);
    this.askedMs = new Float64Array(laneCount * upstreamCount).fill(Number.NEGATIVE_INFINITY);
  }

  /**
   * A worker has used up its grant. Returns how many targets it gets in advance, beyond the one
   * that it asks for.
   */
  onAsk(lane: number, upstreamIndex: number, targetCount: number, nowMs: number): number {
    if (targetCount === 1) return GRANT_COUNT_MAX;
    const at = lane * this.upstreamCount + upstreamIndex;
    const heat = this.nextHeat(at, nowMs);
    this.heats[at] = heat;
    this.askedMs[at] = nowMs;
    if (heat <= GRANT_WARM_UP_ASKS) return 0;
    return Math.min(GRANT_COUNT_MAX, 2 ** (heat - GRANT_WARM_UP_ASKS - 1));
  }

  /** Another worker begins on this lane. */
  forgetLane(lane: number): void {
    const start = lane * this.upstreamCount;
    this.heats.fill(0, start, start + this.upstreamCount);
  }

  private nextHeat(at: number, nowMs: number): number {
    const heat = defined(this.heats[at], 'the heat of a worker and an upstream');
    const lastedMs = nowMs - defined(this.askedMs[at], 'the time of the last ask');
    if (lastedMs <= GRANT_HOT_MS) return Math.min(HEAT_MAX, heat + 1);
    return lastedMs <= GRANT_COLD_MS ? Math.max(0, heat - 1) : 0;
  }
}
