import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  VERDICT_ADMITTED,
  VERDICT_RATE_LIMITED,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { LimitCountsView } from '../../../src/channel/coordinator/limit-counts.js';
import {
  addCost,
  COST_UNKNOWN,
  createTellCosts,
  type TellCosts,
} from '../../../src/channel/coordinator/tell-costs.js';
import type { CompiledLimiter } from '../../../src/config/compiled-config.js';
import { aCoordinatorConfig, anAsk, CoordinatorRig } from '../../support/coordinator-rig.js';

const TOLD = { kind: 'member', keys: ['usage', 'total_tokens'] } as const;
const TOKENS = { algorithm: 'tokenBucket', windowMs: 86_400_000, told: TOLD } as const;

function aRig(limiters: readonly Partial<CompiledLimiter>[], workers = 2) {
  const rig = new CoordinatorRig(aCoordinatorConfig({ limiters, workers, targetCounts: [1] }));
  const counts = new LimitCountsView(rig.memory.limitCounts);
  return { rig, counts };
}

function costs(...all: readonly (readonly [limiter: number, cost: number])[]): TellCosts {
  const told = createTellCosts();
  for (const [limiter, cost] of all) addCost(told, limiter, cost);
  return told;
}

function end(rig: CoordinatorRig, lane: number, ticket: number, told: TellCosts | null): void {
  rig.worker(lane).tellInFlightEnd(ticket, told);
  rig.worker(lane).flush();
  rig.step(0);
}

describe('a limit whose cost replies tell', () => {
  it('takes the reserve, and settles it once', () => {
    const { rig, counts } = aRig([{ limit: 100, burst: 100, cost: 40, ...TOKENS }]);
    const [first, second] = [rig.ask(0, { limiterIndex: 0 }), rig.ask(0, { limiterIndex: 0 }, 1)];
    expect([first.remaining, second.remaining]).toEqual([60, 20]);
    const third = rig.ask(0, { limiterIndex: 0 });
    expect(third).toMatchObject({ verdict: VERDICT_RATE_LIMITED, remaining: 20, refusedUntil: 0 });
    end(rig, 0, first.inFlightTicket, costs([0, 5]));
    end(rig, 0, first.inFlightTicket, costs([0, 5]));
    expect(rig.ask(0, { limiterIndex: 0 })).toMatchObject({ remaining: 15 });
    end(rig, 1, second.inFlightTicket, null);
    expect(counts.read(0)).toMatchObject({
      admitted: 3,
      refused: 1,
      trackedKeys: 1,
      costReserved: 120,
      costSettled: 5,
      costUnknown: 0,
    });
    expect(rig.ask(0, { limiterIndex: 0 })).toMatchObject({ remaining: 15 });
  });

  it('takes more than the reserve, into debt', () => {
    const { rig } = aRig([{ limit: 100, burst: 100, cost: 40, ...TOKENS }]);
    const { inFlightTicket } = rig.ask(0, { limiterIndex: 0 });
    end(rig, 0, inFlightTicket, costs([0, 130]));
    const refused = rig.ask(0, { limiterIndex: 0 });
    expect(refused).toMatchObject({ verdict: VERDICT_RATE_LIMITED, remaining: 0 });
    // 30 are owed and 40 are wanted; 100 come in a day.
    expect(refused.retryAfterMs / 86_400_000).toBeCloseTo(0.7, 5);
  });

  it('costs the reserve where nobody tells, and where the worker dies', () => {
    const { rig, counts } = aRig([{ limit: 100, burst: 100, cost: 10, ...TOKENS }]);
    const first = rig.ask(0, { limiterIndex: 0 });
    rig.ask(0, { limiterIndex: 0 }, 1);
    end(rig, 0, first.inFlightTicket, costs([0, COST_UNKNOWN]));
    rig.control.replaceWorker(1);
    rig.workers[1] = rig.newWorker(1);
    rig.step(0);
    expect(counts.read(0)).toMatchObject({ costReserved: 20, costSettled: 20, costUnknown: 2 });
    expect(rig.ask(0, { limiterIndex: 0 }, 1).remaining).toBe(70);
  });

  it('costs nothing where the worker waited no more', () => {
    const { rig, counts } = aRig([{ limit: 100, burst: 100, cost: 10, ...TOKENS }]);
    rig.worker(0).ask(anAsk({ askId: 99, limiterIndex: 0 }));
    rig.worker(0).flush();
    rig.step(0);
    rig.worker(0).drainReplies({ onReply: () => false });
    rig.step(0);
    expect(counts.read(0)).toMatchObject({ costReserved: 10, costSettled: 0, costUnknown: 0 });
    expect(rig.ask(0, { limiterIndex: 0 }).remaining).toBe(90);
  });

  it('is settled beside others, of which each has its own cost', () => {
    const { rig } = aRig([
      { limit: 100, burst: 100, cost: 10, ...TOKENS },
      { limit: 50, burst: 50, cost: 5, ...TOKENS },
      { limit: 1, algorithm: 'inFlight' },
      { limit: 9, windowMs: 86_400_000 },
    ]);
    const all = [0, 1, 2, 3].map((index) => [index, 7, 7] as const);
    const { inFlightTicket } = rig.ask(0, { limits: all });
    expect(rig.ask(0, { limits: all })).toMatchObject({ verdict: VERDICT_RATE_LIMITED });
    end(rig, 0, inFlightTicket, costs([0, 1], [1, 20]));
    expect(rig.ask(0, { limits: [[0, 7, 7]] }).remaining).toBe(89);
    expect(rig.ask(0, { limits: [[1, 7, 7]] }).remaining).toBe(25);
    expect(rig.ask(0, { limits: [[2, 7, 7]] }).verdict).toBe(VERDICT_ADMITTED);
    expect(rig.ask(0, { limits: [[3, 7, 7]] }).remaining).toBe(7);
  });

  it('in shadow mode refuses nobody, and settles those that it has admitted', () => {
    const { rig } = aRig([{ limit: 10, burst: 10, cost: 10, mode: 'shadow', ...TOKENS }]);
    const [first, second] = [rig.ask(0, { limiterIndex: 0 }), rig.ask(0, { limiterIndex: 0 })];
    expect(second).toMatchObject({ verdict: VERDICT_ADMITTED, shadowRefused: 1 });
    end(rig, 0, first.inFlightTicket, costs([0, 0]));
    expect(rig.ask(0, { limiterIndex: 0 }).shadowRefused).toBe(0);
  });

  it('keeps what is held when its key has lost its row', () => {
    const { rig } = aRig([{ limit: 10, burst: 10, cost: 10, ...TOKENS }]);
    const config = aCoordinatorConfig({ limiters: rig.config.limiters, trackedClients: 16 });
    const small = new CoordinatorRig(config);
    const held = small.ask(0, { limiterIndex: 0, keyHashHigh: 1 });
    const others = Array.from({ length: 64 }, (_, key) =>
      small.ask(0, { limiterIndex: 0, keyHashHigh: 2 + key }),
    );
    expect(others.filter((one) => one.verdict === VERDICT_ADMITTED).length).toBe(15);
    expect(small.ask(0, { limiterIndex: 0, keyHashHigh: 1 }).verdict).toBe(VERDICT_RATE_LIMITED);
    end(small, 0, held.inFlightTicket, costs([0, 0]));
    expect(small.ask(0, { limiterIndex: 0, keyHashHigh: 1 }).verdict).toBe(VERDICT_ADMITTED);
  });
});

type Step =
  | { readonly kind: 'ask'; readonly lane: number }
  | { readonly kind: 'die'; readonly lane: number }
  | { readonly kind: 'end'; readonly which: number; readonly cost: number }
  | { readonly kind: 'restart' };

const lane = fc.nat(1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ask' as const), lane }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      which: fc.nat(1000),
      cost: fc.oneof(fc.constant(COST_UNKNOWN), fc.integer({ min: 0, max: 25 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), lane }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

describe('whatever the order of asks, ends, deaths of workers and of the coordinator', () => {
  it('what is left is the limit without what was told and what is held', () => {
    const [limit, reserve] = [100, 10];
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { rig } = aRig([{ limit, burst: limit, cost: reserve, ...TOKENS }]);
        let held: { lane: number; ticket: number }[] = [];
        let used = 0;
        const left = (): number => limit - used - held.length * reserve;
        for (const one of steps) {
          if (one.kind === 'restart') rig.restartCoordinator();
          else if (one.kind === 'die') {
            rig.control.replaceWorker(one.lane);
            rig.workers[one.lane] = rig.newWorker(one.lane);
            rig.step(0);
            used += reserve * held.filter((of) => of.lane === one.lane).length;
            held = held.filter((of) => of.lane !== one.lane);
          } else if (one.kind === 'ask') {
            const isFree = left() >= reserve;
            const reply = rig.ask(0, { limiterIndex: 0 }, one.lane);
            expect(reply.verdict === VERDICT_ADMITTED).toBe(isFree);
            if (isFree) held.push({ lane: one.lane, ticket: reply.inFlightTicket });
            expect(reply.remaining).toBe(Math.max(0, left()));
          } else {
            const [ended] = held.splice(one.which % Math.max(1, held.length), 1);
            if (ended === undefined) continue;
            end(rig, ended.lane, ended.ticket, costs([0, one.cost]));
            used += one.cost === COST_UNKNOWN ? reserve : one.cost;
          }
        }
        // Never more than the limit and one debt: all were admitted while their reserve was there.
        expect(used).toBeLessThanOrEqual(limit + 10 * (25 - reserve));
      }),
      { numRuns: 60 },
    );
  });
});
