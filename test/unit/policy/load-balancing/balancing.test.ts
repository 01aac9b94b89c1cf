import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectConsistentHash } from '../../../../src/policy/load-balancing/consistent-hash.js';
import {
  CHOICES_ALL,
  selectLeastRequest,
} from '../../../../src/policy/load-balancing/least-request.js';
import {
  buildMaglevTable,
  MAGLEV_SLOTS,
  mixHash,
} from '../../../../src/policy/load-balancing/maglev-table.js';
import { rampShare, SHARE_LEAST } from '../../../../src/policy/load-balancing/ramp.js';
import { seededRandom } from '../../../../src/policy/load-balancing/seeded-random.js';
import { selectWeightedRoundRobin } from '../../../../src/policy/load-balancing/weighted-round-robin.js';
import { someCandidates } from '../../../support/candidates.js';

function namesOf(count: number): { name: string; weight: number }[] {
  return Array.from({ length: count }, (_, at) => ({ name: `10.0.0.${at}:8080`, weight: 1 }));
}

describe('smooth weighted round robin', () => {
  it('spreads the turns of a heavy target between those of light ones', () => {
    const balances = [0, 0, 0];
    const accounts = {
      balanceOf: (position: number) => balances[position] ?? 0,
      setBalance: (position: number, balance: number) => {
        balances[position] = balance;
      },
    };
    const candidates = someCandidates({ count: 3, weightOf: (one) => [5, 1, 1][one] ?? 1 });
    const picks = Array.from({ length: 7 }, () => selectWeightedRoundRobin(candidates, accounts));
    expect(picks).toEqual([0, 0, 1, 0, 2, 0, 0]);
    expect(balances).toEqual([0, 0, 0]);
  });
});

describe('least request', () => {
  it('takes the target with the fewest requests for its weight when it looks at all', () => {
    const loads = [6, 5, 9];
    const weights = [1, 1, 3];
    const candidates = someCandidates({
      count: 3,
      loadOf: (one) => loads[one] ?? 0,
      weightOf: (one) => weights[one] ?? 1,
    });
    expect(selectLeastRequest(candidates, CHOICES_ALL, seededRandom(1))).toBe(2);
    loads[2] = 16;
    expect(selectLeastRequest(candidates, CHOICES_ALL, seededRandom(1))).toBe(1);
  });

  it('never takes the busiest of two that it draws', () => {
    const candidates = someCandidates({ count: 2, loadOf: (one) => (one === 0 ? 4 : 3) });
    const random = seededRandom(5);
    for (let round = 0; round < 100; round += 1) {
      expect(selectLeastRequest(candidates, 2, random)).toBe(1);
    }
  });

  it('takes each of several that are equally busy equally often', () => {
    const candidates = someCandidates({ count: 4, loadOf: (one) => (one === 0 ? 9 : 2) });
    const random = seededRandom(9);
    const picks = [0, 0, 0, 0];
    for (let round = 0; round < 3000; round += 1) {
      const position = selectLeastRequest(candidates, CHOICES_ALL, random);
      picks[position] = (picks[position] ?? 0) + 1;
    }
    for (const count of picks.slice(1)) expect(Math.abs(count - 1000)).toBeLessThan(120);
    expect(picks[0]).toBe(0);
  });
});

describe('consistent hash', () => {
  it('gives every slot to somebody, in shares by weight', () => {
    const entries = namesOf(5).map((entry, at) => ({ ...entry, weight: at + 1 }));
    const table = buildMaglevTable(entries);
    const slots = entries.map((_, position) => table.filter((one) => one === position).length);
    expect(slots.reduce((sum, count) => sum + count, 0)).toBe(MAGLEV_SLOTS);
    slots.forEach((count, position) => {
      expect(Math.abs(count / MAGLEV_SLOTS - (position + 1) / 15)).toBeLessThan(0.01);
    });
  });

  it('gives a target of the least weight some slots beside one of the most', () => {
    const table = buildMaglevTable([
      { name: 'light:80', weight: 1 },
      { name: 'heavy:80', weight: 1000 },
    ]);
    expect(table.filter((position) => position === 0).length).toBeGreaterThan(30);
  });

  it('leaves nearly all slots of the others alone when a target is taken away', () => {
    const entries = namesOf(10);
    const before = buildMaglevTable(entries);
    const after = buildMaglevTable(entries.filter((_, at) => at !== 4));
    let moved = 0;
    before.forEach((position, slot) => {
      if (position === 4) return;
      const now = after[slot] ?? 0;
      if (position !== (now >= 4 ? now + 1 : now)) moved += 1;
    });
    expect(moved / MAGLEV_SLOTS).toBeLessThan(0.05);
  });

  it('moves only the keys of a target that is not available, and takes them back', () => {
    const table = buildMaglevTable(namesOf(6));
    const random = seededRandom(1);
    fc.assert(
      fc.property(fc.integer(), fc.nat(5), (hash, down) => {
        const all = someCandidates({ count: 6 });
        const some = someCandidates({ count: 6, isAvailable: (position) => position !== down });
        const home = selectConsistentHash(all, table, hash, random);
        const away = selectConsistentHash(some, table, hash, random);
        if (home === down) expect(away).not.toBe(down);
        else expect(away).toBe(home);
        expect(selectConsistentHash(some, table, hash, random)).toBe(away);
      }),
    );
  });

  it('spreads the keys of a target that is not available over all others', () => {
    const table = buildMaglevTable(namesOf(4));
    const some = someCandidates({ count: 4, isAvailable: (position) => position !== 0 });
    const random = seededRandom(1);
    const picks = [0, 0, 0, 0];
    let keys = 0;
    for (let key = 0; key < 20_000; key += 1) {
      const hash = mixHash(key);
      if (selectConsistentHash(someCandidates({ count: 4 }), table, hash, random) !== 0) continue;
      keys += 1;
      const position = selectConsistentHash(some, table, hash, random);
      picks[position] = (picks[position] ?? 0) + 1;
    }
    for (const count of picks.slice(1)) expect(Math.abs(count / keys - 1 / 3)).toBeLessThan(0.05);
  });
});

describe('ramp', () => {
  it('grows evenly from a tenth to all', () => {
    const shares = [-5, 0, 500, 1000, 2000].map((elapsedMs) => rampShare(elapsedMs, 1000));
    expect(shares).toEqual([SHARE_LEAST, SHARE_LEAST, 0.55, 1, 1]);
    expect(rampShare(0, 0)).toBe(1);
  });
});
