/**
 * The share of its normal load that a target gets while it warms up.
 *
 * Thread: any (pure). Time arrives as an argument.
 * Invariant: between {@link SHARE_LEAST} and 1, growing evenly with time.
 */

/** The share of a target that has just come back. */
export const SHARE_LEAST = 0.1;

/** The share after `elapsedMs` of a ramp that lasts `rampMs`; a ramp of 0 ms gives 1. */
export function rampShare(elapsedMs: number, rampMs: number): number {
  if (elapsedMs >= rampMs) return 1;
  return SHARE_LEAST + (1 - SHARE_LEAST) * (Math.max(0, elapsedMs) / rampMs);
}
