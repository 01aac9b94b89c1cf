/**
 * Draws a target at random, each as often as its weight says.
 *
 * Thread: any (pure). Randomness is an argument.
 * Invariant: two looks at each target.
 */
import { type Candidates, effectiveWeight, NO_POSITION, type Random } from './candidates.js';

/** Returns a position, or {@link NO_POSITION}. */
export function selectRandom(candidates: Candidates, random: Random): number {
  return drawByWeight(candidates, random, []);
}

/** Draws among the positions that are not in `drawn`. */
export function drawByWeight(
  candidates: Candidates,
  random: Random,
  drawn: readonly number[],
): number {
  let total = 0;
  for (let position = 0; position < candidates.count; position += 1) {
    if (isEligible(candidates, position, drawn)) total += effectiveWeight(candidates, position);
  }
  let rest = random() * total;
  let last = NO_POSITION;
  for (let position = 0; position < candidates.count; position += 1) {
    if (!isEligible(candidates, position, drawn)) continue;
    last = position;
    rest -= effectiveWeight(candidates, position);
    if (rest < 0) return position;
  }
  return last;
}

function isEligible(candidates: Candidates, position: number, drawn: readonly number[]): boolean {
  return candidates.isAvailable(position) && !drawn.includes(position);
}
