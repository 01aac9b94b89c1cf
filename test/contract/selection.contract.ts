/**
 * What every balancing policy must do, whatever else it promises.
 *
 * `describeSelection` runs the contract for one policy; a policy that answers by request rather
 * than by turn is asked with a new hash each time.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Candidates,
  NO_POSITION,
  type Random,
} from '../../src/policy/load-balancing/candidates.js';
import { seededRandom } from '../../src/policy/load-balancing/seeded-random.js';
import { someCandidates } from '../support/candidates.js';

/** One balancer: what it remembers between two selections is its own. */
export interface Balancer {
  select(candidates: Candidates, random: Random): number;
}

export interface SelectionPolicy {
  readonly name: string;
  readonly isWeighted: boolean;
  create(weights: readonly number[]): Balancer;
  /** How far a share may be from what the weight says, of 1, over `rounds` selections. */
  readonly tolerance: number;
  /** Looks at one position, at most, in one selection. */
  looksMax(count: number): number;
}

const ROUNDS = 6000;

interface Situation {
  readonly weights: readonly number[];
  readonly up: readonly number[];
  readonly seed: number;
}

const situations: fc.Arbitrary<Situation> = fc
  .record({
    weights: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
    bits: fc.integer({ min: 0, max: 255 }),
    seed: fc.integer(),
  })
  .map(({ weights, bits, seed }) => ({
    weights,
    up: weights.flatMap((_, position) => ((bits >> position) & 1 ? [position] : [])),
    seed,
  }));

function candidatesOf({ weights, up }: Situation, wish: Partial<Candidates> = {}): Candidates {
  return someCandidates({
    count: weights.length,
    isAvailable: (position) => up.includes(position),
    weightOf: (position) => weights[position] ?? 1,
    ...wish,
  });
}

export function describeSelection(policy: SelectionPolicy): void {
  describe(`selection by ${policy.name}`, () => {
    it('takes an available target whenever there is one, and else none', () => {
      fc.assert(
        fc.property(situations, (situation) => {
          const balancer = policy.create(situation.weights);
          const random = seededRandom(situation.seed);
          for (let round = 0; round < 20; round += 1) {
            const position = balancer.select(candidatesOf(situation), random);
            if (situation.up.length === 0) expect(position).toBe(NO_POSITION);
            else expect(situation.up).toContain(position);
          }
        }),
        { numRuns: 60 },
      );
    });

    it('takes an available target however little of its part it may take', () => {
      fc.assert(
        fc.property(
          situations,
          fc.double({ min: 0.1, max: 1, noNaN: true }),
          (situation, share) => {
            const balancer = policy.create(situation.weights);
            const candidates = candidatesOf(situation, { shareOf: () => share });
            const position = balancer.select(candidates, seededRandom(situation.seed));
            expect(position === NO_POSITION).toBe(situation.up.length === 0);
          },
        ),
        { numRuns: 60 },
      );
    });

    it('chooses the same for the same seed', () => {
      fc.assert(
        fc.property(situations, (situation) => {
          const [first, second] = [0, 1].map(() => {
            const balancer = policy.create(situation.weights);
            const random = seededRandom(situation.seed);
            const candidates = candidatesOf(situation);
            return Array.from({ length: 30 }, () => balancer.select(candidates, random));
          });
          expect(first).toEqual(second);
        }),
        { numRuns: 30 },
      );
    });

    it('looks at each target a bounded number of times', () => {
      for (const count of [1, 2, 17, 256]) {
        let looks = 0;
        const candidates = someCandidates({
          count,
          isAvailable: (position) => {
            looks += 1;
            return position === count - 1;
          },
        });
        const balancer = policy.create(Array<number>(count).fill(1));
        expect(balancer.select(candidates, seededRandom(1))).toBe(count - 1);
        expect(looks).toBeLessThanOrEqual(policy.looksMax(count));
      }
    });

    const shares = policy.isWeighted ? 'by weight' : 'equally';
    it(`shares idle targets ${shares}, also when some are not available`, () => {
      const situation = { weights: [1, 2, 5, 4], up: [0, 1, 2], seed: 7 };
      expectShares(policy, situation, [1, 2, 5]);
    });

    it('gives a target that warms up less than its part', () => {
      const weights = [1, 1];
      const balancer = policy.create(weights);
      const candidates = someCandidates({ count: 2, shareOf: (one) => (one === 0 ? 0.2 : 1) });
      const random = seededRandom(3);
      let picks = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        if (balancer.select(candidates, random) === 0) picks += 1;
      }
      expect(picks / ROUNDS).toBeGreaterThan(0.05);
      expect(picks / ROUNDS).toBeLessThan(0.25);
    });
  });
}

function expectShares(
  policy: SelectionPolicy,
  situation: Situation,
  upWeights: readonly number[],
): void {
  const balancer = policy.create(situation.weights);
  const random = seededRandom(situation.seed);
  const picks = situation.weights.map(() => 0);
  for (let round = 0; round < ROUNDS; round += 1) {
    const position = balancer.select(candidatesOf(situation), random);
    picks[position] = (picks[position] ?? 0) + 1;
  }
  const total = upWeights.reduce((sum, weight) => sum + weight, 0);
  situation.up.forEach((position, at) => {
    const weight = upWeights[at] ?? 0;
    const expected = policy.isWeighted ? weight / total : 1 / upWeights.length;
    const share = (picks[position] ?? 0) / ROUNDS;
    expect(Math.abs(share - expected), `share of ${position}`).toBeLessThan(policy.tolerance);
  });
}
