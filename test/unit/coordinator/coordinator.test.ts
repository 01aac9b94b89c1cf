import { describe, expect, it } from 'vitest';
import {
  NO_TARGET,
  NO_UPSTREAM,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
  VERDICT_RATE_LIMITED,
} from '../../../src/channel/coordinator/coordinator-records.js';
import {
  TARGET_CLOSED,
  TARGET_HALF_OPEN,
  TARGET_OPEN,
} from '../../../src/channel/coordinator/target-states.js';
import {
  aCoordinatorConfig,
  anAsk,
  CoordinatorRig,
  ReplyKeeper,
} from '../../support/coordinator-rig.js';

const LIMITED = { limiterIndex: 0 };

/** The breaker of target 0 opens at `nowMs`. */
function openBreaker(rig: CoordinatorRig, nowMs: number, targetIndex = 0): void {
  for (let count = 0; count < 3; count += 1) rig.tell(nowMs, [targetIndex, 0, OUTCOME_FAILURE]);
}

function aRigWithOneTarget(workers = 1): CoordinatorRig {
  return new CoordinatorRig(
    aCoordinatorConfig({ workers, targetCounts: [1], limiters: [{ limit: 3 }] }),
  );
}

describe('coordinator: limits', () => {
  it('admits up to the limit of a key, whichever worker asks, and refuses the next', () => {
    const limiters = [{ limit: 5, windowMs: 1000 }];
    const rig = new CoordinatorRig(aCoordinatorConfig({ workers: 2, limiters }));
    const replies = [0, 1, 0, 1, 0, 1].map((lane, step) => rig.ask(step, LIMITED, lane));
    expect(replies.map((reply) => reply.verdict)).toEqual([
      ...Array<number>(5).fill(VERDICT_ADMITTED),
      VERDICT_RATE_LIMITED,
    ]);
    expect(replies.map((reply) => reply.remaining)).toEqual([4, 3, 2, 1, 0, 0]);
    expect(replies[4]).toMatchObject({ resetMs: 996, retryAfterMs: 0 });
    expect(replies[5]).toMatchObject({ resetMs: 995, retryAfterMs: 995, targetIndex: -1 });
    expect(rig.ask(1000, LIMITED)).toMatchObject({ verdict: VERDICT_ADMITTED, remaining: 0 });
  });

  it('counts keys and limiters apart', () => {
    const limiters = [{ limit: 1 }, { limit: 1 }];
    const rig = new CoordinatorRig(aCoordinatorConfig({ limiters }));
    const verdictOf = (wish: object) => rig.ask(0, { ...LIMITED, ...wish }).verdict;
    expect(verdictOf({})).toBe(VERDICT_ADMITTED);
    expect(verdictOf({})).toBe(VERDICT_RATE_LIMITED);
    expect(verdictOf({ keyHashHigh: 9 })).toBe(VERDICT_ADMITTED);
    expect(verdictOf({ keyHashLow: 9 })).toBe(VERDICT_ADMITTED);
    expect(verdictOf({ limiterIndex: 1 })).toBe(VERDICT_ADMITTED);
    expect(rig.status.readCounts().trackedKeys).toBe(4);
  });

  it('is exact at limits around each size of row, for both algorithms', () => {
    for (const limit of [1, 17, 18, 19, 127, 128, 129, 1000]) {
      for (const algorithm of ['slidingWindow', 'tokenBucket'] as const) {
        const rig = new CoordinatorRig(aCoordinatorConfig({ limiters: [{ limit, algorithm }] }));
        const verdicts = Array.from({ length: limit + 3 }, () => rig.ask(5, LIMITED).verdict);
        expect(verdicts.filter((verdict) => verdict === VERDICT_ADMITTED)).toHaveLength(limit);
        expect(verdicts.indexOf(VERDICT_RATE_LIMITED)).toBe(limit);
      }
    }
  });

  it('says that a request is over its limit rather than that the circuit is open', () => {
    const rig = aRigWithOneTarget();
    for (let count = 0; count < 3; count += 1) rig.ask(0, LIMITED);
    openBreaker(rig, 0);
    expect(rig.ask(1, LIMITED).verdict).toBe(VERDICT_RATE_LIMITED);
  });

  it('uses up nothing of a limit when no target can be had', () => {
    const rig = aRigWithOneTarget();
    openBreaker(rig, 0);
    for (let count = 0; count < 5; count += 1) {
      expect(rig.ask(1, LIMITED)).toMatchObject({ verdict: VERDICT_CIRCUIT_OPEN, remaining: 3 });
    }
    expect(rig.status.readCounts().trackedKeys).toBe(0);
  });

  it('takes no probe for a request over its limit', () => {
    const rig = aRigWithOneTarget();
    for (let count = 0; count < 3; count += 1) rig.ask(0, LIMITED);
    openBreaker(rig, 0);
    expect(rig.ask(1000, LIMITED).verdict).toBe(VERDICT_RATE_LIMITED);
    expect(rig.targets.stateOf(0)).toBe(TARGET_OPEN);
    expect(rig.ask(1000).ticket).toBeGreaterThan(0);
  });
});

describe('coordinator: asks about limits only', () => {
  const LIMITS_ONLY = { limiterIndex: 0, upstreamIndex: NO_UPSTREAM };

  it('need no target, and touch none', () => {
    const rig = new CoordinatorRig(aCoordinatorConfig({ workers: 2, limiters: [{ limit: 2 }] }));
    openBreaker(rig, 0, 0);
    openBreaker(rig, 0, 1);
    const loads = Buffer.from(rig.memory.loads).toString('hex');
    const replies = [0, 1, 1].map((lane) => rig.ask(1, LIMITS_ONLY, lane));
    expect(replies).toMatchObject([
      { verdict: VERDICT_ADMITTED, targetIndex: NO_TARGET, ticket: 0, remaining: 1 },
      { verdict: VERDICT_ADMITTED, targetIndex: NO_TARGET, ticket: 0, remaining: 0 },
      { verdict: VERDICT_RATE_LIMITED, targetIndex: NO_TARGET },
    ]);
    expect(Buffer.from(rig.memory.loads).toString('hex')).toBe(loads);
  });

  it('share a limit with those that want a target', () => {
    const rig = aRigWithOneTarget();
    const wishes = [LIMITED, LIMITS_ONLY, LIMITED, LIMITS_ONLY];
    const verdicts = wishes.map((wish) => rig.ask(0, wish).verdict);
    expect(verdicts.at(-1)).toBe(VERDICT_RATE_LIMITED);
    expect(verdicts.slice(0, 3)).toEqual(Array(3).fill(VERDICT_ADMITTED));
  });

  it.each([LIMITED, LIMITS_ONLY])('give the place back that nobody waits for: %j', (wish) => {
    const limiters = [{ algorithm: 'inFlight' as const, limit: 1 }];
    const rig = new CoordinatorRig(aCoordinatorConfig({ targetCounts: [1], limiters }));
    const worker = rig.worker(0);
    worker.ask(anAsk({ askId: 77, ...wish }));
    worker.flush();
    rig.step(0);
    worker.abandonAsk({ askId: 77, upstreamIndex: NO_UPSTREAM });
    const keeper = new ReplyKeeper();
    keeper.isKnown = () => false;
    worker.drainReplies(keeper);
    rig.step(0);
    expect(rig.ask(1, wish).verdict).toBe(VERDICT_ADMITTED);
    expect(rig.ask(1, wish).verdict).toBe(VERDICT_RATE_LIMITED);
  });

  it('are seen again after a restart like any other', () => {
    const limiters = [{ algorithm: 'inFlight' as const, limit: 1 }];
    const rig = new CoordinatorRig(aCoordinatorConfig({ limiters }));
    const worker = rig.worker(0);
    worker.ask(anAsk({ askId: 78, ...LIMITS_ONLY }));
    worker.flush();
    rig.restartCoordinator();
    rig.step(0);
    const keeper = new ReplyKeeper();
    worker.drainReplies(keeper);
    expect(keeper.replies).toMatchObject([{ askId: 78, verdict: VERDICT_ADMITTED }]);
  });
});

describe('coordinator: targets', () => {
  it('takes the targets in turn, whichever worker asks', () => {
    const rig = new CoordinatorRig(aCoordinatorConfig({ workers: 2, targetCounts: [3] }));
    const chosen = [0, 1, 1, 0, 1, 0].map((lane) => rig.ask(0, {}, lane).targetIndex);
    expect(chosen).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it('passes over targets that were tried, unless all were', () => {
    const rig = new CoordinatorRig(aCoordinatorConfig({ targetCounts: [2, 2] }));
    const ask = (triedMask: number) => rig.ask(0, { upstreamIndex: 1, triedMask });
    expect(ask(0b01).targetIndex).toBe(3);
    expect(ask(0b10).targetIndex).toBe(2);
    expect(ask(0b11).targetIndex).toBeGreaterThanOrEqual(2);
  });

  it('passes over a target whose breaker is open, and says when the first may be tried', () => {
    const rig = new CoordinatorRig(aCoordinatorConfig());
    openBreaker(rig, 0, 0);
    expect([1, 2, 3].map((nowMs) => rig.ask(nowMs).targetIndex)).toEqual([1, 1, 1]);
    openBreaker(rig, 300, 1);
    const refused = { verdict: VERDICT_CIRCUIT_OPEN, retryAfterMs: 600 };
    expect(rig.ask(400)).toMatchObject(refused);
  });

  it('reports each change of a breaker with its reason', () => {
    const rig = aRigWithOneTarget();
    openBreaker(rig, 10);
    const failing = rig.ask(1010);
    rig.tell(1020, [0, failing.ticket, OUTCOME_FAILURE]);
    const succeeding = rig.ask(2020);
    rig.tell(2030, [0, succeeding.ticket, OUTCOME_SUCCESS]);
    expect(rig.transitions.map((one) => [one.reason, one.from, one.to, one.atMs])).toEqual([
      ['consecutiveFailures', TARGET_CLOSED, TARGET_OPEN, 10],
      ['openPeriodOver', TARGET_OPEN, TARGET_HALF_OPEN, 1010],
      ['probeFailed', TARGET_HALF_OPEN, TARGET_OPEN, 1020],
      ['openPeriodOver', TARGET_OPEN, TARGET_HALF_OPEN, 2020],
      ['probeSucceeded', TARGET_HALF_OPEN, TARGET_CLOSED, 2030],
    ]);
    expect(rig.targets.opensOf(0)).toBe(2);
    expect(rig.targets.sinceMsOf(0)).toBe(2030);
    expect(rig.targets.stateNameOf(0)).toBe('CLOSED');
  });

  it('lets one probe be in flight and gives its place back when it is cancelled', () => {
    const rig = aRigWithOneTarget();
    openBreaker(rig, 0);
    const probe = rig.ask(1000);
    expect(rig.ask(1001).verdict).toBe(VERDICT_CIRCUIT_OPEN);
    rig.tell(1002, [0, probe.ticket, OUTCOME_CANCELLED]);
    const next = rig.ask(1003);
    expect(next.ticket).toBeGreaterThan(0);
    rig.tell(1004, [0, probe.ticket, OUTCOME_CANCELLED]);
    expect(rig.targets.probesOf(0)).toBe(1);
    expect(rig.ask(1005).verdict).toBe(VERDICT_CIRCUIT_OPEN);
  });
});

describe('coordinator: lost workers and restarts', () => {
  it('gives the probes of a lost worker back, and only those', () => {
    const rig = aRigWithOneTarget(2);
    openBreaker(rig, 0);
    expect(rig.ask(1000, {}, 1).ticket).toBeGreaterThan(0);
    rig.control.replaceWorker(0);
    rig.workers[0] = rig.newWorker(0);
    rig.step(1001);
    expect(rig.targets.probesOf(0)).toBe(1);
    rig.control.replaceWorker(1);
    rig.step(1002);
    expect(rig.targets.probesOf(0)).toBe(0);
    expect(rig.ask(1003, {}, 0).ticket).toBeGreaterThan(0);
    expect(rig.status.readCounts().releasedProbes).toBe(1);
  });

  it('gives a probe back whose ask was answered when its worker was gone already', () => {
    const rig = aRigWithOneTarget();
    openBreaker(rig, 0);
    const dead = rig.worker(0);
    expect(rig.ask(1000).ticket).toBeGreaterThan(0);
    rig.control.replaceWorker(0);
    rig.workers[0] = rig.newWorker(0);
    expect(rig.ask(1001).ticket).toBeGreaterThan(0);
    expect(dead.generation).toBe(1);
  });

  it('does not take the outcome of a probe from a worker that was replaced for the next one', () => {
    const rig = aRigWithOneTarget();
    openBreaker(rig, 0);
    const { ticket } = rig.ask(1000);
    rig.worker(0).tellOutcome(0, ticket, OUTCOME_FAILURE, 0);
    rig.worker(0).flush();
    rig.control.replaceWorker(0);
    rig.workers[0] = rig.newWorker(0);
    const next = rig.ask(1001);
    expect(next.ticket).toBeGreaterThan(0);
    expect(rig.targets.stateOf(0)).toBe(TARGET_HALF_OPEN);
  });

  it('goes on with limits, breakers, probes and turns after a restart', () => {
    const limiters = [
      { limit: 3 },
      { limit: 300 },
      { limit: 2, algorithm: 'tokenBucket' as const },
    ];
    const rig = new CoordinatorRig(aCoordinatorConfig({ targetCounts: [3, 1], limiters }));
    for (let count = 0; count < 300; count += 1) {
      rig.ask(0, { limiterIndex: Math.min(1, count), upstreamIndex: 0 });
      rig.restartCoordinator();
    }
    expect(rig.ask(1, { limiterIndex: 0 })).toMatchObject({ targetIndex: 0, remaining: 1 });
    expect(rig.ask(1, { limiterIndex: 1 })).toMatchObject({ targetIndex: 1, remaining: 0 });
    rig.restartCoordinator();
    expect(rig.ask(1, { limiterIndex: 1 }).verdict).toBe(VERDICT_RATE_LIMITED);
    openBreaker(rig, 10, 3);
    rig.restartCoordinator();
    const probe = rig.ask(1010, { upstreamIndex: 1 });
    expect(probe.ticket).toBeGreaterThan(0);
    rig.restartCoordinator();
    expect(rig.ask(1011, { upstreamIndex: 1 }).verdict).toBe(VERDICT_CIRCUIT_OPEN);
    rig.tell(1012, [3, probe.ticket, OUTCOME_SUCCESS]);
    expect(rig.targets.stateOf(3)).toBe(TARGET_CLOSED);
    expect(rig.status.readCounts().trackedKeys).toBe(2);
  });

  it('passes over an ask that it sees again when the reply is out already', () => {
    const rig = aRigWithOneTarget();
    openBreaker(rig, 0);
    const requests = new Int32Array(rig.memory.lanes[0]?.requests ?? new SharedArrayBuffer(4));
    const keeper = new ReplyKeeper();
    const headBefore = requests[0] ?? 0;
    const probe = rig.ask(1000, { askId: 77 });
    expect(probe.ticket).toBeGreaterThan(0);
    // The coordinator ended after it published the reply and before it gave the slot back.
    requests[0] = headBefore;
    rig.restartCoordinator();
    rig.step(1001);
    expect(rig.worker(0).drainReplies(keeper)).toBe(0);
    expect(rig.targets.probesOf(0)).toBe(1);
    rig.tell(1003, [0, probe.ticket, OUTCOME_SUCCESS]);
    expect(rig.targets.stateOf(0)).toBe(TARGET_CLOSED);
  });

  it('finds the place of a probe again whose reply was never published', () => {
    const rig = aRigWithOneTarget();
    openBreaker(rig, 0);
    const lane = rig.memory.lanes[0];
    if (lane === undefined) throw new Error('no lane');
    const [requests, replies] = [new Int32Array(lane.requests), new Int32Array(lane.replies)];
    const [head, tail] = [requests[0] ?? 0, replies[32] ?? 0];
    rig.worker(0).ask(anAsk({ askId: 5 }));
    rig.worker(0).flush();
    rig.step(1000);
    requests[0] = head;
    replies[32] = tail;
    rig.restartCoordinator();
    rig.step(1001);
    const keeper = new ReplyKeeper();
    rig.worker(0).drainReplies(keeper);
    expect(keeper.replies).toHaveLength(1);
    expect(keeper.replies[0]?.ticket).toBeGreaterThan(0);
    expect(rig.targets.probesOf(0)).toBe(1);
  });

  it('hears of mail and of the end from the control ring', () => {
    const rig = aRigWithOneTarget();
    rig.control.tellMail();
    rig.control.tellStop();
    rig.step(0);
    expect(rig).toMatchObject({ mails: 1, stops: 1 });
  });
});
