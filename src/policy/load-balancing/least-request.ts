/**
 * Takes the target with the fewest tries in flight for its weight: of a few targets drawn at
 * random, or of all.
 *
 * Thread: any (pure). Randomness is an argument. A few random choices are nearly as good as all,
 * and a burst does not send everything to the same idle target. Ties are fair: among equally busy
 * targets each is taken as often as its weight says.
 * Invariant: at most two looks at each target for each choice.
 */
import { type Candidates, effectiveWeight, NO_POSITION, type Random } from './candidates.js';
import { drawByWeight } from './weighted-random.js';

/** Stands for all targets. */
export const CHOICES_ALL = 0;

/** Returns a position, or {@link NO_POSITION}. */
export function selectLeastRequest(
  candidates: Candidates,
  choices: number,
  random: Random,
): number {
  if (choices === CHOICES_ALL) return selectLeastOfAll(candidates, random);
  const drawn: number[] = [];
  let best = NO_POSITION;
  let leastCost = Number.POSITIVE_INFINITY;
  for (let draw = 0; draw < choices; draw += 1) {
    const position = drawByWeight(candidates, random, drawn);
    if (position === NO_POSITION) break;
    drawn.push(position);
    const cost = costOf(candidates, position);
    // The target that was drawn first wins a tie, since it was drawn by weight.
    if (cost >= leastCost) continue;
    best = position;
    leastCost = cost;
  }
  return best;
}

function selectLeastOfAll(candidates: Candidates, random: Random): number {
  let best = NO_POSITION;
  let leastCost = Number.POSITIVE_INFINITY;
  let tiedWeight = 0;
  for (let position = 0; position < candidates.count; position += 1) {
    if (!candidates.isAvailable(position)) continue;
    const cost = costOf(candidates, position);
    if (cost > leastCost) continue;
    const weight = effectiveWeight(candidates, position);
    if (cost < leastCost) tiedWeight = 0;
    leastCost = cost;
    tiedWeight += weight;
    if (random() * tiedWeight < weight) best = position;
  }
  return best;
}

function costOf(candidates: Candidates, position: number): number {
  return candidates.loadOf(position) / effectiveWeight(candidates, position);
}
