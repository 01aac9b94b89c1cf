/**
 * Takes the targets of an upstream in turn, and skips those that are not available.
 *
 * Thread: any (pure). The cursor lies elsewhere; positions count within the upstream. A target that
 * warms up is skipped at random, unless no other target is available.
 * Invariant: at most one look at each target.
 */
import { assert } from '../../base/assert.js';
import { type Candidates, NO_POSITION, type Random } from './candidates.js';

/** The available position at or after the cursor, or {@link NO_POSITION}. */
export function selectRoundRobin(candidates: Candidates, cursor: number, random: Random): number {
  const { count } = candidates;
  assert(count === 0 || (cursor >= 0 && cursor < count), 'the cursor is a position');
  let passedOver = NO_POSITION;
  for (let step = 0; step < count; step += 1) {
    const position = stepForward(cursor, step, count);
    if (!candidates.isAvailable(position)) continue;
    const share = candidates.shareOf(position);
    if (share >= 1 || random() < share) return position;
    if (passedOver === NO_POSITION) passedOver = position;
  }
  return passedOver;
}

/** The position `count` turns after this one. */
export function stepForward(position: number, count: number, targetCount: number): number {
  return (position + count) % targetCount;
}
