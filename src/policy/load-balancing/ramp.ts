/**
 * How much of its part a target takes while it warms up.
 *
 * Thread: any (pure). Time arrives as an argument.
 * Invariant: between {@link SHARE_LEAST} and 1, growing evenly with time.
 */

/** A target that comes back gets this much at once. */
export const SHARE_LEAST = 0.1;

/** The share after `elapsedMs` of a ramp of `rampMs`; 0: no ramp. */
export function rampShare(elapsedMs: number, rampMs: number): number {
  if (elapsedMs >= rampMs) return 1;
  return SHARE_LEAST + (1 - SHARE_LEAST) * (Math.max(0, elapsedMs) / rampMs);
}
