/** Targets as a balancing policy sees them: all available and alike, apart from what is wished. */
import type { Candidates } from '../../src/policy/load-balancing/candidates.js';

export function someCandidates(wish: Partial<Candidates> & { count: number }): Candidates {
  return {
    isAvailable: () => true,
    weightOf: () => 1,
    shareOf: () => 1,
    loadOf: () => 0,
    ...wish,
  };
}
