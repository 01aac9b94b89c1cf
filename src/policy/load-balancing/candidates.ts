/**
 * What a balancing policy sees of an upstream: its targets by position, at one moment.
 *
 * Thread: any (pure). The implementation says which targets are available; a policy chooses among
 * them. Every policy reads a position a bounded number of times.
 */

/** The targets of one upstream while a target is chosen for one try. */
export interface Candidates {
  readonly count: number;
  isAvailable(position: number): boolean;
  /** The configured weight, at least 1. */
  weightOf(position: number): number;
  /** The share of its normal load that the target may take now: above 0; 1 unless it warms up. */
  shareOf(position: number): number;
  /** Tries in flight. */
  loadOf(position: number): number;
}

/** Numbers from 0 (included) to 1 (excluded). */
export type Random = () => number;

export const NO_POSITION = -1;

/** The weight of a target among the others, less while it warms up. */
export function effectiveWeight(candidates: Candidates, position: number): number {
  return candidates.weightOf(position) * candidates.shareOf(position);
}
