import { describe, expect, it } from 'vitest';
import {
  ASK_KEY_GRANT_SHIFT,
  OUTCOME_FAILURE,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
  VERDICT_RATE_LIMITED,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { LimitCountsView } from '../../../src/channel/coordinator/limit-counts.js';
import type { CompiledLimiter } from '../../../src/config/compiled-config.js';
import {
  bucketRowCount,
  bucketTableBytes,
  COMPACT_ROW_WORDS,
} from '../../../src/coordinator/state/bucket-layout.js';
import { aCoordinatorConfig, anAsk, CoordinatorRig } from '../../support/coordinator-rig.js';

function aRig(limiters: readonly Partial<CompiledLimiter>[], workers = 1) {
  const rig = new CoordinatorRig(aCoordinatorConfig({ limiters, workers, targetCounts: [1] }));
  const counts = new LimitCountsView(rig.memory.limitCounts);
  const all = limiters.map((_, index) => [index, 7, 7] as const);
  return { rig, counts, all };
}

describe('several limits of one ask', () => {
  it('take nothing when one of them refuses, and report the one that did', () => {
    const { rig, counts, all } = aRig([{ limit: 5 }, { limit: 2 }, { limit: 9 }]);
    expect(rig.ask(0, { limits: all })).toMatchObject({ limiterIndex: 1, remaining: 1 });
    rig.ask(0, { limits: all });
    const refused = rig.ask(1, { limits: all });
    expect(refused).toMatchObject({ verdict: VERDICT_RATE_LIMITED, limiterIndex: 1 });
    expect(refused.retryAfterMs).toBe(refused.resetMs);
    expect(rig.ask(2, { limits: [[0, 7, 7]] }).remaining).toBe(2);
    expect(counts.read(0)).toMatchObject({ admitted: 3, refused: 0 });
    expect(counts.read(1)).toMatchObject({ admitted: 2, refused: 1 });
  });

  it('report the one with the fewest admissions left, whatever each costs', () => {
    const { rig, all } = aRig([{ limit: 9 }, { limit: 20, cost: 5 }]);
    expect(rig.ask(0, { limits: all })).toMatchObject({ limiterIndex: 1, remaining: 15 });
  });

  it('take nothing when no target can be had', () => {
    const { rig, counts, all } = aRig([{ limit: 5 }, { limit: 3, algorithm: 'inFlight' }]);
    for (let count = 0; count < 3; count += 1) rig.tell(0, [0, 0, OUTCOME_FAILURE]);
    expect(rig.ask(1, { limits: all }).verdict).toBe(VERDICT_CIRCUIT_OPEN);
    expect(counts.read(0)).toMatchObject({ admitted: 0, trackedKeys: 0 });
    expect(counts.read(1)).toMatchObject({ admitted: 0, trackedKeys: 0 });
  });

  it('never take each other for a victim, nor the same free row', () => {
    const limiters = [{ limit: 9 }, { limit: 9 }, { limit: 9 }, { limit: 9 }];
    const config = aCoordinatorConfig({ limiters, trackedClients: 16 });
    const rig = new CoordinatorRig(config);
    for (let key = 0; key < 64; key += 1) {
      const limits = limiters.map((_, index) => [index, key, key] as const);
      expect(rig.ask(key, { limits }).remaining).toBe(8);
      expect(rig.ask(key, { limits }).remaining).toBe(7);
    }
    expect(rig.status.readCounts().trackedKeys).toBe(16);
  });
});

describe('cost', () => {
  for (const algorithm of ['slidingWindow', 'tokenBucket', 'fixedWindow'] as const) {
    it(`is what each request takes (${algorithm})`, () => {
      const { rig } = aRig([{ limit: 10, burst: 10, cost: 3, algorithm }]);
      const replies = Array.from({ length: 4 }, () => rig.ask(0, { limiterIndex: 0 }));
      expect(replies.map((reply) => reply.remaining)).toEqual([7, 4, 1, 1]);
      expect(replies[3]).toMatchObject({ verdict: VERDICT_RATE_LIMITED });
      expect(replies[3]?.retryAfterMs).toBe(algorithm === 'tokenBucket' ? 12_000 : 60_000);
    });
  }
});

describe('shadow mode', () => {
  it('refuses nobody, counts whom it would have refused, and is not reported', () => {
    const { rig, counts, all } = aRig([{ limit: 9 }, { limit: 1, mode: 'shadow' }]);
    const replies = Array.from({ length: 3 }, () => rig.ask(0, { limits: all }));
    expect(replies.map((one) => one.limiterIndex)).toEqual([0, 0, 0]);
    expect(replies.map((one) => one.shadowRefused)).toEqual([0, 2, 2]);
    expect(replies.map((one) => one.verdict)).toEqual(Array(3).fill(VERDICT_ADMITTED));
    expect(counts.read(1)).toMatchObject({ admitted: 1, refused: 0, shadowRefused: 2 });
  });
});

describe('requests in flight', () => {
  it('are as many as the limit allows; one that ends makes room, once', () => {
    const { rig, counts } = aRig([{ limit: 2, algorithm: 'inFlight' }]);
    const ask = () => rig.ask(0, { limiterIndex: 0 });
    const [first, , third] = [ask(), ask(), ask()];
    expect(third).toMatchObject({ verdict: VERDICT_RATE_LIMITED, remaining: 0 });
    for (let twice = 0; twice < 2; twice += 1) {
      rig.worker(0).tellInFlightEnd(first?.inFlightTicket ?? 0);
      rig.worker(0).flush();
      rig.step(1);
    }
    expect([ask(), ask()].map((one) => one.verdict)).toEqual([
      VERDICT_ADMITTED,
      VERDICT_RATE_LIMITED,
    ]);
    expect(counts.read(0)).toMatchObject({ trackedKeys: 1, admitted: 3, refused: 2 });
  });

  it('of a worker that died make room, and outlive a coordinator', () => {
    const { rig } = aRig([{ limit: 2, algorithm: 'inFlight' }], 2);
    rig.ask(0, { limiterIndex: 0 }, 0);
    rig.ask(0, { limiterIndex: 0 }, 1);
    rig.restartCoordinator();
    expect(rig.ask(1, { limiterIndex: 0 }, 1).verdict).toBe(VERDICT_RATE_LIMITED);
    rig.control.replaceWorker(0);
    rig.workers[0] = rig.newWorker(0);
    expect(rig.ask(2, { limiterIndex: 0 }, 1).verdict).toBe(VERDICT_ADMITTED);
    expect(rig.ask(2, { limiterIndex: 0 }, 1).verdict).toBe(VERDICT_RATE_LIMITED);
  });

  it('of an ask that was given up make room', () => {
    const { rig, counts } = aRig([{ limit: 1, algorithm: 'inFlight' }]);
    rig.worker(0).ask(anAsk({ askId: 99, limiterIndex: 0 }));
    rig.worker(0).flush();
    rig.step(0);
    expect(counts.read(0).trackedKeys).toBe(1);
    rig.worker(0).drainReplies({ onReply: () => false });
    rig.step(1);
    expect(counts.read(0).trackedKeys).toBe(0);
  });
});

describe('key grants', () => {
  const flags = 64 << ASK_KEY_GRANT_SHIFT;

  it('come out of large limits only, with plenty left, and for a short time', () => {
    for (const [limit, isGranted] of [
      [199, false],
      [200, true],
      [1000, true],
    ] as const) {
      const { rig } = aRig([{ limit, windowMs: 10_000 }]);
      const { keyGrantCount, keyGrantUntil } = rig.ask(5, { limiterIndex: 0, flags });
      expect(keyGrantCount > 0).toBe(isGranted);
      if (isGranted) expect(keyGrantUntil).toBe(7);
    }
  });

  it.each([
    ['slidingWindow', 1000, 2],
    ['slidingWindow', 60_000, 12],
    ['slidingWindow', 3_600_000, 100],
    ['tokenBucket', 1000, 5],
    ['fixedWindow', 60_000, 100],
  ] as const)('of a %s over %i ms are good for %i ms', (algorithm, windowMs, validMs) => {
    const { rig } = aRig([{ limit: 1000, burst: 1000, windowMs, algorithm }]);
    expect(rig.ask(0, { limiterIndex: 0, flags }).keyGrantUntil).toBe(validMs);
  });

  it('of several limits are as many as the least of them gives, and are taken from each', () => {
    const large = { limit: 2000, windowMs: 10_000 };
    const bucket = { limit: 400, burst: 400, windowMs: 10_000, algorithm: 'tokenBucket' as const };
    const { rig, counts, all } = aRig([large, bucket]);
    const alone = rig.ask(0, { limits: [all[0] ?? [0, 0, 0]], flags }).keyGrantCount;
    const { keyGrantCount, keyGrantUntil } = rig.ask(0, { limits: all, flags });
    expect(keyGrantCount).toBeGreaterThan(0);
    expect(keyGrantUntil).toBe(2);
    expect(counts.read(0).admitted).toBe(1 + alone + 1 + keyGrantCount);
    expect(counts.read(1).admitted).toBe(1 + keyGrantCount);
  });

  it.each([
    ['a small one', { limit: 10 }],
    ['one on requests in flight', { limit: 1000, algorithm: 'inFlight' as const }],
    ['one in shadow mode that is used up', { limit: 1, mode: 'shadow' as const }],
  ])('are not given where another limit has to be asked each time: %s', (_what, other) => {
    const { rig, counts, all } = aRig([{ limit: 2000, windowMs: 10_000 }, other]);
    rig.ask(0, { limits: all });
    expect(rig.ask(0, { limits: all, flags }).keyGrantCount).toBe(0);
    expect(counts.read(0)).toMatchObject({ admitted: 2, granted: 0 });
  });

  it('stop before the limit is used up, so that the last admissions go to whoever asks', () => {
    const { rig } = aRig([{ limit: 200, windowMs: 10_000 }]);
    let granted = 0;
    let asked = 0;
    for (; asked < 200; asked += 1) {
      const reply = rig.ask(0, { limiterIndex: 0, flags });
      if (reply.verdict !== VERDICT_ADMITTED) break;
      granted += reply.keyGrantCount;
    }
    expect(asked + granted).toBe(200);
    expect(asked).toBeGreaterThan(50);
  });

  it('give back what is left over, once, though the return is seen again', () => {
    const { rig, counts } = aRig([{ limit: 200, windowMs: 10_000 }]);
    const reply = rig.ask(0, { limiterIndex: 0, flags });
    const { keyGrantCount, keyGrantUntil } = reply;
    expect(keyGrantCount).toBeGreaterThan(5);
    const requests = new Int32Array(rig.memory.lanes[0]?.requests ?? new SharedArrayBuffer(4));
    const head = requests[0] ?? 0;
    const key = { limiterIndex: 0, keyHashHigh: 1, keyHashLow: 2 };
    rig.worker(0).giveBackKeyGrant({ ...key, unused: 5, until: keyGrantUntil });
    rig.worker(0).flush();
    rig.step(60);
    const left = 200 - 1 - keyGrantCount + 5;
    expect(counts.read(0)).toMatchObject({ admitted: 1 + keyGrantCount - 5 });
    requests[0] = head;
    rig.restartCoordinator();
    rig.step(61);
    expect(rig.ask(62, { limiterIndex: 0 }).remaining).toBe(left - 1);
  });
});

describe('memory', () => {
  it('holds a million keys in less than 96 MiB, 100 bytes each', () => {
    const bytes = bucketTableBytes(bucketRowCount(1_000_000), COMPACT_ROW_WORDS);
    expect(bytes).toBeLessThan(96 * 1024 * 1024);
    expect(Math.floor(bytes / 1_000_000)).toBe(100);
    expect(bucketRowCount(1_000_000)).toBe(1_000_000);
  });

  it('is as large as the configuration says, whatever keys come', () => {
    const limiters = [{ limit: 3 }];
    const rig = new CoordinatorRig(aCoordinatorConfig({ limiters, trackedClients: 1024 }));
    const before = rig.memory.compactBuckets.byteLength;
    for (let key = 1; key <= 3000; key += 1) {
      rig.ask(key, { limiterIndex: 0, keyHashHigh: key, keyHashLow: key * 31 });
    }
    expect(rig.memory.compactBuckets.byteLength).toBe(before);
    const counts = new LimitCountsView(rig.memory.limitCounts).read(0);
    expect(counts.trackedKeys).toBeLessThanOrEqual(1024);
    expect(counts.evictions).toBeGreaterThan(1900);
  });
});

describe('a quota of months', () => {
  const DAY_MS = 86_400_000;
  const SECONDS = 1000;

  for (const algorithm of ['slidingWindow', 'tokenBucket', 'fixedWindow'] as const) {
    it(`lasts over days, other keys and a coordinator that ends (${algorithm})`, () => {
      const quota = { limit: 3, burst: 3, windowMs: 400 * DAY_MS, algorithm };
      const { rig } = aRig([quota, { limit: 1, windowMs: 1000 }]);
      const ask = (day: number) => rig.ask(day * DAY_MS, { limiterIndex: 0 });
      expect([0, 1, 2].map((day) => ask(day).verdict)).toEqual(new Array(3).fill(VERDICT_ADMITTED));
      rig.restartCoordinator();
      for (let key = 0; key < 5000; key += 1) {
        rig.ask(3 * DAY_MS + 2000 * key, { limiterIndex: 1, keyHashHigh: key, keyHashLow: key });
      }
      const recoversAt = algorithm === 'tokenBucket' ? 400 / 3 : 400;
      for (const day of [30, 60, 100, 133]) {
        const { verdict, retryAfterMs, resetMs } = ask(day);
        expect([verdict, resetMs]).toEqual([VERDICT_RATE_LIMITED, retryAfterMs]);
        const leftMs = (recoversAt - day) * DAY_MS;
        expect(retryAfterMs).toBeGreaterThanOrEqual(Math.floor(leftMs));
        expect(retryAfterMs).toBeLessThanOrEqual(leftMs + SECONDS);
      }
      expect(ask(recoversAt - 0.001).verdict).toBe(VERDICT_RATE_LIMITED);
      expect(ask(recoversAt + 0.001).verdict).toBe(VERDICT_ADMITTED);
    });
  }

  it('is exact where it is large, and granted in advance', () => {
    const limit = 1000;
    const { rig, counts } = aRig([{ limit, windowMs: 30 * DAY_MS }]);
    let admitted = 0;
    for (let day = 0; day < 29; day += 1) {
      for (let time = 0; time < 100; time += 1) {
        const reply = rig.ask(day * DAY_MS + time * 1000, { limiterIndex: 0 });
        if (reply.verdict === VERDICT_ADMITTED) admitted += 1;
      }
    }
    expect(admitted).toBe(limit);
    expect(counts.read(0)).toMatchObject({ admitted: limit, refused: 2900 - limit });
    // Groups that lie close together share one entry, which leaves with its latest admission.
    expect(rig.ask(31 * DAY_MS, { limiterIndex: 0 }).verdict).toBe(VERDICT_ADMITTED);
  });
});
