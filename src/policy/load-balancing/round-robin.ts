/**
 * Takes the targets of an upstream in turn, passing over those that are not available.
 *
 * Thread: any (pure). The cursor lies elsewhere; positions count within the upstream.
 * Invariant: at most one look at each target.
 */
import { assert } from '../../base/assert.js';

/** Says which targets may be selected: not tried yet, and the breaker lets it pass. */
export interface TargetAvailability {
  isAvailable(position: number): boolean;
}

export const NO_POSITION = -1;

/** The first available position at or after the cursor, or {@link NO_POSITION}. */
export function selectRoundRobin(
  targetCount: number,
  cursor: number,
  availability: TargetAvailability,
): number {
  assert(targetCount === 0 || (cursor >= 0 && cursor < targetCount), 'the cursor is a position');
  for (let step = 0; step < targetCount; step += 1) {
    const position = stepForward(cursor, step, targetCount);
    if (availability.isAvailable(position)) return position;
  }
  return NO_POSITION;
}

/** The position `count` turns after this one. */
export function stepForward(position: number, count: number, targetCount: number): number {
  return (position + count) % targetCount;
}
