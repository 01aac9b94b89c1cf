/**
 * What a request has cost under the limits whose costs replies tell; a part of a tell.
 *
 * Thread: any (both ends). The slot's words are in coordinator-records.ts.
 */

/** As many limits as one ask may count against. */
export const TELL_COSTS_MAX = 4;
/** A higher cost is told as this, in units of the limit. */
export const TOLD_COST_MAX = 0x7fffffff;
/** Nobody has told: the request costs its reserve. */
export const COST_UNKNOWN = -1;

/** What a request has cost, by the row of the limiter. */
export interface ToldCosts {
  /** 0: nothing; {@link COST_UNKNOWN}. */
  costOf(limiterIndex: number): number;
}

/** Limiter index and cost, `count` times. */
export interface TellCosts {
  count: number;
  readonly words: Int32Array;
}

export function createTellCosts(): TellCosts {
  return { count: 0, words: new Int32Array(2 * TELL_COSTS_MAX) };
}

/** Adds a cost: a whole number from 0 to {@link TOLD_COST_MAX}, or {@link COST_UNKNOWN}. */
export function addCost(costs: TellCosts, limiterIndex: number, cost: number): void {
  costs.words[2 * costs.count] = limiterIndex;
  costs.words[2 * costs.count + 1] = cost;
  costs.count += 1;
}
