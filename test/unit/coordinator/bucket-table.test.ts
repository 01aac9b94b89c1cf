import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  VERDICT_ADMITTED,
  VERDICT_RATE_LIMITED,
} from '../../../src/channel/coordinator/coordinator-records.js';
import {
  bucketRowCount,
  bucketTableBytes,
  COMPACT_ROW_WORDS,
  SET_ROWS,
} from '../../../src/coordinator/state/bucket-layout.js';
import { BucketTable } from '../../../src/coordinator/state/bucket-table.js';
import { aCoordinatorConfig, CoordinatorRig } from '../../support/coordinator-rig.js';

/** A table of one set: 16 keys, and then somebody has to go. */
function aFullRig(limit: number, algorithm: 'slidingWindow' | 'tokenBucket', uses = limit) {
  const limiters = [{ limit, windowMs: 1000, algorithm }];
  const rig = new CoordinatorRig(aCoordinatorConfig({ trackedClients: SET_ROWS, limiters }));
  for (let key = 0; key < SET_ROWS; key += 1) {
    for (let use = 0; use < uses; use += 1) ask(rig, key, key);
  }
  return rig;
}

function ask(rig: CoordinatorRig, nowMs: number, key: number) {
  return rig.ask(nowMs, { limiterIndex: 0, keyHashHigh: key * 7, keyHashLow: key });
}

describe('bucket table', () => {
  it('has whole sets, enough for all keys', () => {
    expect([1, 15, 16, 17, 32, 33].map(bucketRowCount)).toEqual([16, 16, 16, 32, 32, 48]);
    expect(bucketRowCount(262_144)).toBe(262_144);
  });

  it('finds what was installed and nothing else, and changes nothing by looking', () => {
    const keys = fc.uniqueArray(fc.tuple(fc.nat(3), fc.integer(), fc.integer()), {
      minLength: 1,
      maxLength: 40,
      selector: String,
    });
    const gauge = { measureUsedShare: () => 1, retryAfterMs: 5 };
    fc.assert(
      fc.property(keys, (list) => {
        const rows = bucketRowCount(256);
        const buffer = new SharedArrayBuffer(bucketTableBytes(rows, COMPACT_ROW_WORDS));
        const table = new BucketTable(buffer, COMPACT_ROW_WORDS);
        const taken = list.map(([limiter, high, low]) => {
          table.setKey(limiter, high, low);
          const row = table.locate(gauge, 0);
          expect(table.isNew).toBe(true);
          expect(table.locate(gauge, 0)).toBe(row);
          table.install(row, () => undefined);
          return row;
        });
        expect(new Set(taken).size).toBe(list.length);
        expect(table.countUsedRows()).toBe(list.length);
        list.forEach(([limiter, high, low], index) => {
          table.setKey(limiter, high, low);
          expect(table.locate(gauge, 0)).toBe(taken[index]);
          expect(table.isNew).toBe(false);
        });
      }),
    );
  });

  it('fills up almost wholly before the first row has to go', () => {
    const limiters = [{ limit: 2 }];
    const rig = new CoordinatorRig(aCoordinatorConfig({ trackedClients: 4096, limiters }));
    let key = 0;
    while (rig.status.readCounts().evictedKeys === 0) {
      key += 1;
      ask(rig, 0, key);
    }
    expect(key).toBeGreaterThan(0.9 * 4096);
  });

  for (const algorithm of ['slidingWindow', 'tokenBucket'] as const) {
    it(`never frees a depleted key, and says when it can (${algorithm})`, () => {
      const rig = aFullRig(2, algorithm);
      for (let key = 100; key < 200; key += 1) {
        expect(ask(rig, 20, key).verdict).toBe(VERDICT_RATE_LIMITED);
      }
      const { retryAfterMs } = ask(rig, 20, 200);
      for (let key = 0; key < SET_ROWS; key += 1) {
        expect(ask(rig, 21, key).verdict).toBe(VERDICT_RATE_LIMITED);
      }
      const counts = { refusedKeys: 101, evictedKeys: 0, reclaimedKeys: 0, trackedKeys: 16 };
      expect(rig.status.readCounts()).toMatchObject(counts);
      expect(ask(rig, 20 + retryAfterMs, 200).verdict).toBe(VERDICT_ADMITTED);
    });

    it(`frees the key that is closest to a full limit (${algorithm})`, () => {
      const rig = aFullRig(4, algorithm, 2);
      // All keys but number 9 have used one more than it has.
      for (let key = 0; key < SET_ROWS; key += 1) if (key !== 9) ask(rig, 20, key);
      expect(ask(rig, 20, 100).remaining).toBe(3);
      expect(rig.status.readCounts()).toMatchObject({ evictedKeys: 1, trackedKeys: 16 });
      for (let key = 0; key < SET_ROWS; key += 1) {
        if (key !== 9) expect(ask(rig, 20, key).remaining).toBe(0);
      }
      expect(ask(rig, 20, 9).remaining).toBe(3);
    });

    it(`frees a key at rest without counting a loss (${algorithm})`, () => {
      const rig = aFullRig(2, algorithm);
      expect(ask(rig, 5000, 100)).toMatchObject({ verdict: VERDICT_ADMITTED, remaining: 1 });
      expect(rig.status.readCounts()).toMatchObject({ reclaimedKeys: 1, evictedKeys: 0 });
    });
  }

  it('admits no key more than its limit, whoever is evicted, as long as it is depleted', () => {
    const plan = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 0, max: 60 })), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(plan, fc.constantFrom(1, 2, 20, 200), (steps, limit) => {
        const limiters = [{ limit, windowMs: 1000 }];
        const wish = { trackedClients: SET_ROWS, limiters };
        const rig = new CoordinatorRig(aCoordinatorConfig(wish));
        const depletedUntil = new Map<number, number>();
        let nowMs = 0;
        for (const [key, gapMs] of steps) {
          nowMs += gapMs;
          const reply = ask(rig, nowMs, key);
          const isAdmitted = reply.verdict === VERDICT_ADMITTED;
          if (isAdmitted) expect(depletedUntil.get(key) ?? 0).toBeLessThanOrEqual(nowMs);
          const isDepleted = isAdmitted && reply.remaining === 0;
          if (isDepleted) depletedUntil.set(key, nowMs + reply.resetMs);
        }
      }),
      { numRuns: 40 },
    );
  });
});
