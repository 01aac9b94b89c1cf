/**
 * What a balancing policy sees of an upstream: its targets by position, at one moment.
 *
 * Thread: any (pure). Whoever implements it says which targets come into question; a policy only
 * says which of those. No policy looks at a position more often than a bounded number of times.
 */

/** The targets of one upstream while one try is being placed. */
export interface Candidates {
  readonly count: number;
  isAvailable(position: number): boolean;
  /** As configured, at least 1. */
  weightOf(position: number): number;
  /** How much of its part it may take now: above 0, and 1 for one that is not warming up. */
  shareOf(position: number): number;
  /** Tries in flight. */
  loadOf(position: number): number;
}

/** Numbers from 0 up to and without 1. */
export type Random = () => number;

export const NO_POSITION = -1;

/** The part that a target takes among the others. */
export function effectiveWeight(candidates: Candidates, position: number): number {
  return candidates.weightOf(position) * candidates.shareOf(position);
}
