import { describe, expect, it } from 'vitest';
import { NO_POSITION } from '../../../../src/policy/load-balancing/candidates.js';
import { selectRoundRobin } from '../../../../src/policy/load-balancing/round-robin.js';
import { seededRandom } from '../../../../src/policy/load-balancing/seeded-random.js';
import { someCandidates } from '../../../support/candidates.js';

const never = (): number => 0.999;

function availableAre(count: number, ...positions: number[]) {
  const isAvailable = (position: number): boolean => positions.includes(position);
  return someCandidates({ count, isAvailable });
}

describe('round robin', () => {
  it('takes the position at the cursor when it is available', () => {
    expect(selectRoundRobin(availableAre(3, 0, 1, 2), 1, never)).toBe(1);
  });

  it('passes over targets that are not available, around the end', () => {
    expect(selectRoundRobin(availableAre(3, 1), 2, never)).toBe(1);
  });

  it('finds nobody when nobody is available, and in an upstream without targets', () => {
    expect(selectRoundRobin(availableAre(3), 0, never)).toBe(NO_POSITION);
    expect(selectRoundRobin(availableAre(0), 0, never)).toBe(NO_POSITION);
  });

  it('passes over one that warms up as often as it is to, but not when it is the only one', () => {
    const share = (position: number): number => (position === 0 ? 0.25 : 1);
    const random = seededRandom(1);
    const both = someCandidates({ count: 2, shareOf: share });
    let picks = 0;
    for (let round = 0; round < 2000; round += 1) {
      if (selectRoundRobin(both, 0, random) === 0) picks += 1;
    }
    expect(picks / 2000).toBeCloseTo(0.25, 1);
    const alone = someCandidates({ count: 1, shareOf: share });
    expect(selectRoundRobin(alone, 0, never)).toBe(0);
  });
});
