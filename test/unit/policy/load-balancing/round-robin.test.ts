import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  NO_POSITION,
  selectRoundRobin,
  stepForward,
} from '../../../../src/policy/load-balancing/round-robin.js';

function availableAre(...positions: number[]) {
  return { isAvailable: (position: number) => positions.includes(position) };
}

describe('round robin', () => {
  it('takes the position at the cursor when it is available', () => {
    expect(selectRoundRobin(3, 1, availableAre(0, 1, 2))).toBe(1);
  });

  it('passes over targets that are not available, around the end', () => {
    expect(selectRoundRobin(3, 2, availableAre(1))).toBe(1);
  });

  it('finds nobody when nobody is available, and in an upstream without targets', () => {
    expect(selectRoundRobin(3, 0, availableAre())).toBe(NO_POSITION);
    expect(selectRoundRobin(0, 0, availableAre())).toBe(NO_POSITION);
  });

  it('gives those that are available equal shares', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1 }), (count, bits) => {
        const positions = Array.from({ length: count }, (_, position) => position);
        const up = positions.filter((position) => (bits >> position) & 1);
        fc.pre(up.length > 0);
        const shares = new Map(up.map((position) => [position, 0]));
        let cursor = 0;
        for (let turn = 0; turn < up.length * 5; turn += 1) {
          const position = selectRoundRobin(count, cursor, availableAre(...up));
          shares.set(position, (shares.get(position) ?? 0) + 1);
          cursor = stepForward(position, 1, count);
        }
        expect([...shares.values()]).toEqual(up.map(() => 5));
      }),
    );
  });
});
