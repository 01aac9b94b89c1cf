import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ASK_GRANT_ONLY,
  ASK_WANTS_GRANT,
  GRANT_COUNT_MAX,
  GRANT_VALID_MS,
  NO_TARGET,
  OUTCOME_5XX,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { CHECK_PASSED, CHECK_TIMED_OUT } from '../../../src/channel/coordinator/target-states.js';
import {
  GRANT_HOT_MS,
  GRANT_WARM_UP_ASKS,
  GrantSizes,
} from '../../../src/coordinator/grant-sizes.js';
import { type GrantReply, TargetGrants } from '../../../src/worker/admission/target-grants.js';
import {
  aCoordinatorConfig,
  type CoordinatorConfigWish,
  CoordinatorRig,
} from '../../support/coordinator-rig.js';

const STANDINGS = { serialOf: () => 0 };

function aGrant(askFlags: number, positions: readonly number[], standing = 0): GrantReply {
  return {
    upstreamIndex: 0,
    askFlags,
    grantCount: positions.length,
    standing,
    grantPositionAt: (turn) => positions[turn] ?? -1,
  };
}

/** A worker as its client is: takes from the grant, or asks for one pick and a grant. */
class PickingWorker {
  readonly grants: TargetGrants;
  asks = 0;
  asksAhead = 0;

  constructor(
    private readonly rig: CoordinatorRig,
    private readonly lane: number,
  ) {
    const targetIndexes = rig.config.upstreams.map((one) => one.targetIndexes);
    this.grants = new TargetGrants(targetIndexes, rig.targets, rig.worker(lane).standings);
  }

  pick(nowMs: number): number {
    const granted = this.grants.tryTake(0, nowMs);
    if (granted !== NO_TARGET) {
      this.askAhead(nowMs);
      return granted;
    }
    this.asks += 1;
    const flags = this.grants.askFlags(0, nowMs);
    const reply = this.rig.ask(nowMs, { flags }, this.lane);
    this.grants.onReply(aGrant(reply.askFlags, reply.grantPositions, reply.standing), nowMs);
    return reply.targetIndex;
  }

  private askAhead(nowMs: number): void {
    const flags = this.grants.aheadFlags(0, nowMs);
    if (flags === 0) return;
    this.asksAhead += 1;
    const reply = this.rig.ask(nowMs, { flags }, this.lane);
    expect(reply).toMatchObject({ verdict: 0, targetIndex: -1, ticket: 0 });
    this.grants.onReply(aGrant(reply.askFlags, reply.grantPositions, reply.standing), nowMs);
  }
}

function aRig(workers: number, targets: number): CoordinatorRig {
  return new CoordinatorRig(aCoordinatorConfig({ workers, targetCounts: [targets] }));
}

function pickers(rig: CoordinatorRig): PickingWorker[] {
  return rig.workers.map((_, lane) => new PickingWorker(rig, lane));
}

describe('grant sizes', () => {
  it('gives a slow worker nothing in advance, for ever', () => {
    const sizes = new GrantSizes(1, 1);
    for (let ask = 0; ask < 50; ask += 1) {
      expect(sizes.onAsk(0, 0, 2, ask * (GRANT_HOT_MS + 1))).toBe(0);
    }
  });

  it('doubles for a worker that uses its grants up quickly, up to the most there is', () => {
    const sizes = new GrantSizes(1, 1);
    const counts = Array.from({ length: 17 }, (_, ask) => sizes.onAsk(0, 0, 2, ask * GRANT_HOT_MS));
    const warmUp = Array<number>(GRANT_WARM_UP_ASKS + 1).fill(0);
    expect(counts).toEqual([...warmUp, 1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('halves when a grant lasted longer, and begins anew after a pause', () => {
    const sizes = new GrantSizes(1, 1);
    for (let ask = 0; ask < 20; ask += 1) sizes.onAsk(0, 0, 2, 0);
    expect(sizes.onAsk(0, 0, 2, GRANT_HOT_MS + 1)).toBe(32);
    expect(sizes.onAsk(0, 0, 2, 1000)).toBe(0);
    expect(sizes.onAsk(0, 0, 2, 1000)).toBe(0);
  });

  it('gives the only target of an upstream at once', () => {
    expect(new GrantSizes(1, 1).onAsk(0, 0, 1, 0)).toBe(GRANT_COUNT_MAX);
  });

  it('knows workers and upstreams apart, and forgets a worker that was replaced', () => {
    const sizes = new GrantSizes(2, 2);
    for (let ask = 0; ask < 20; ask += 1) sizes.onAsk(1, 0, 2, 0);
    expect(sizes.onAsk(0, 0, 2, 0)).toBe(0);
    expect(sizes.onAsk(1, 1, 2, 0)).toBe(0);
    expect(sizes.onAsk(1, 0, 2, 0)).toBe(GRANT_COUNT_MAX);
    sizes.forgetLane(1);
    expect(sizes.onAsk(1, 0, 2, 0)).toBe(0);
  });
});

describe('target grants', () => {
  it('keep strict turns over all workers while requests are slow', () => {
    const rig = aRig(2, 3);
    const workers = pickers(rig);
    const picks = Array.from({ length: 60 }, (_, step) => workers[step % 2]?.pick(step * 30));
    expect(picks).toEqual(picks.map((_, step) => step % 3));
  });

  it('spare a hot worker most asks and keep the shares even', () => {
    const rig = aRig(2, 3);
    const workers = pickers(rig);
    const shares = [0, 0, 0];
    for (let step = 0; step < 30_000; step += 1) {
      const target = workers[step % 2]?.pick(step / 10) ?? -1;
      shares[target] = (shares[target] ?? 0) + 1;
    }
    const asks = workers.reduce((sum, worker) => sum + worker.asks, 0);
    // Two warm-ups; from then on every grant comes before it is needed.
    expect(asks).toBeLessThan(2 * 20);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(4 * GRANT_COUNT_MAX);
    // No turn is given twice: picks and what is still granted are all the turns there were.
    const { granted } = rig.status.readCounts();
    expect(asks + granted).toBeGreaterThanOrEqual(30_000);
    expect(asks + granted).toBeLessThanOrEqual(30_000 + 4 * GRANT_COUNT_MAX);
  });

  it('take the turns of all workers together from one row of turns', () => {
    const plan = fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 0, max: 30 })), {
      maxLength: 400,
    });
    fc.assert(
      fc.property(plan, fc.integer({ min: 2, max: 5 }), (steps, targetCount) => {
        const rig = aRig(3, targetCount);
        const workers = pickers(rig);
        let nowMs = 0;
        let picks = 0;
        for (const [lane, gap] of steps) {
          nowMs += gap / 10;
          expect(workers[lane]?.pick(nowMs)).toBeGreaterThanOrEqual(0);
          picks += 1;
        }
        const asks = workers.reduce((sum, worker) => sum + worker.asks, 0);
        expect(picks - asks).toBeLessThanOrEqual(rig.status.readCounts().granted);
      }),
      { numRuns: 30 },
    );
  });

  it('are not given while a breaker of the upstream is open', () => {
    const rig = aRig(1, 1);
    for (let count = 0; count < 3; count += 1) rig.tell(0, [0, 0, OUTCOME_FAILURE]);
    const probe = rig.ask(1000, { flags: ASK_WANTS_GRANT });
    expect(probe.ticket).toBeGreaterThan(0);
    expect(probe.grantCount).toBe(0);
  });

  it('are given with a limited request too: they are turns of targets, not of the limit', () => {
    const wish = { targetCounts: [1], limiters: [{ limit: 100 }] };
    const rig = new CoordinatorRig(aCoordinatorConfig(wish));
    expect(rig.ask(0, { flags: ASK_WANTS_GRANT, limiterIndex: 0 }).grantCount).toBe(
      GRANT_COUNT_MAX,
    );
  });

  it('end when the breaker of the next target is not closed', () => {
    const rig = aRig(1, 1);
    const worker = new PickingWorker(rig, 0);
    expect([worker.pick(0), worker.pick(0)]).toEqual([0, 0]);
    expect(worker.asks).toBe(1);
    for (let count = 0; count < 3; count += 1) rig.tell(1, [0, 0, OUTCOME_FAILURE]);
    expect(worker.grants.tryTake(0, 2)).toBe(NO_TARGET);
  });

  it('end when they are used up or too old', () => {
    const grants = new TargetGrants([[5, 6]], { isFree: () => true }, STANDINGS);
    const reply = aGrant(ASK_WANTS_GRANT, [1, 0, 1]);
    grants.onReply(reply, 0);
    const picks = [1, 2, 3, 4].map((nowMs) => grants.tryTake(0, nowMs));
    expect(picks).toEqual([6, 5, 6, NO_TARGET]);
    grants.onReply(reply, 0);
    expect(grants.tryTake(0, GRANT_VALID_MS)).toBe(6);
    expect(grants.tryTake(0, GRANT_VALID_MS + 1)).toBe(NO_TARGET);
    expect(grants.tryTake(0, 0)).toBe(NO_TARGET);
  });

  it('pass over a target that is not free any more', () => {
    const grants = new TargetGrants([[5, 6, 7]], { isFree: (target) => target !== 6 }, STANDINGS);
    grants.onReply(aGrant(ASK_WANTS_GRANT, [0, 1, 2, 1]), 0);
    const picks = [1, 2, 3].map((nowMs) => grants.tryTake(0, nowMs));
    expect(picks).toEqual([5, 7, NO_TARGET]);
  });

  it('are wanted by one ask at a time, until its reply comes or is given up', () => {
    const grants = new TargetGrants([[5, 6]], { isFree: () => true }, STANDINGS);
    expect(grants.askFlags(0, 0)).toBe(ASK_WANTS_GRANT);
    expect(grants.askFlags(0, 1)).toBe(0);
    grants.onReply(aGrant(0, []), 2);
    expect(grants.askFlags(0, 2)).toBe(0);
    grants.onReply(aGrant(ASK_WANTS_GRANT, []), 3);
    expect(grants.askFlags(0, 3)).toBe(ASK_WANTS_GRANT);
    expect(grants.askFlags(0, 4 + GRANT_VALID_MS)).toBe(ASK_WANTS_GRANT);
  });

  it('are asked for ahead when half is used, once, and go on with the next one', () => {
    const grants = new TargetGrants([[5, 6]], { isFree: () => true }, STANDINGS);
    const ahead = ASK_WANTS_GRANT | ASK_GRANT_ONLY;
    expect(grants.aheadFlags(0, 0)).toBe(0);
    grants.onReply(aGrant(ASK_WANTS_GRANT, [0, 0, 0, 0]), 0);
    grants.tryTake(0, 1);
    expect(grants.aheadFlags(0, 1)).toBe(0);
    grants.tryTake(0, 2);
    expect(grants.aheadFlags(0, 2)).toBe(ahead);
    expect(grants.aheadFlags(0, 2)).toBe(0);
    grants.onReply(aGrant(ahead, [1, 1]), 3);
    const picks = [3, 4, 5, 6, 7].map((nowMs) => grants.tryTake(0, nowMs));
    expect(picks).toEqual([5, 5, 6, 6, NO_TARGET]);
  });

  it('are not asked for ahead again when that brought none', () => {
    const grants = new TargetGrants([[5, 6]], { isFree: () => true }, STANDINGS);
    grants.onReply(aGrant(ASK_WANTS_GRANT, [0, 0]), 0);
    grants.tryTake(0, 1);
    expect(grants.aheadFlags(0, 1)).not.toBe(0);
    grants.onReply(aGrant(ASK_WANTS_GRANT | ASK_GRANT_ONLY, []), 2);
    expect(grants.aheadFlags(0, 3)).toBe(0);
    expect(grants.tryTake(0, 3)).toBe(5);
  });

  it('end when a target may be used again that they were given without', () => {
    let serial = 7;
    const standings = { serialOf: () => serial };
    const grants = new TargetGrants([[5, 6]], { isFree: () => true }, standings);
    grants.onReply(aGrant(ASK_WANTS_GRANT, [0, 0], 7), 0);
    grants.onReply(aGrant(ASK_WANTS_GRANT | ASK_GRANT_ONLY, [0, 0], 7), 0);
    expect(grants.tryTake(0, 1)).toBe(5);
    serial = 8;
    expect(grants.tryTake(0, 1)).toBe(NO_TARGET);
    // A reply that was on its way when the target came back brings nothing either.
    grants.onReply(aGrant(ASK_WANTS_GRANT, [0, 0], 7), 1);
    expect(grants.tryTake(0, 1)).toBe(NO_TARGET);
    grants.onReply(aGrant(ASK_WANTS_GRANT, [1], 8), 1);
    expect(grants.tryTake(0, 1)).toBe(6);
  });
});

describe('a target that recovers', () => {
  const healthCheck = {
    type: 'tcp' as const,
    service: '',
    path: '/',
    host: '',
    intervalMs: 1000,
    timeoutMs: 1000,
    healthyThreshold: 1,
    unhealthyThreshold: 1,
    expectedStatuses: [],
    jitterPercent: 0,
  };
  const outlierDetection = {
    consecutive5xx: 3,
    intervalMs: 10_000,
    baseEjectionMs: 2000,
    maxEjectionMs: 2000,
    maxEjectionPercent: 50,
  };

  /** A worker that holds turns of the first target, since the second one is out. */
  function aHolder(wish: CoordinatorConfigWish, takeOut: (rig: CoordinatorRig) => void) {
    const rig = new CoordinatorRig(aCoordinatorConfig({ targetCounts: [2], ...wish }));
    takeOut(rig);
    const worker = new PickingWorker(rig, 0);
    for (let pick = 0; pick < 40; pick += 1) expect(worker.pick(10 + pick / 10)).toBe(0);
    expect(worker.grants.tryTake(0, 20)).toBe(0);
    return { rig, worker };
  }

  const fail = (rig: CoordinatorRig, outcome = OUTCOME_FAILURE) => {
    for (let count = 0; count < 3; count += 1) rig.tell(1, [1, 0, outcome]);
  };

  it('gets its probe when its open period is over, and its part when that passed', () => {
    const { rig, worker } = aHolder({}, fail);
    rig.step(999);
    expect(worker.grants.tryTake(0, 999)).toBe(0);
    rig.step(1001);
    expect(worker.grants.tryTake(0, 1001)).toBe(NO_TARGET);
    const other = rig.worker(0).standings.serialOf(0);
    const probe = [rig.ask(1002), rig.ask(1002)].find(({ ticket }) => ticket > 0);
    expect(probe?.targetIndex).toBe(1);
    rig.tell(1003, [1, probe?.ticket ?? 0, OUTCOME_SUCCESS]);
    expect(rig.worker(0).standings.serialOf(0)).not.toBe(other);
  });

  it('has its part at once when a health check passes, its breaker being open or not', () => {
    const breaker = aHolder({ healthCheck }, (rig) => {
      fail(rig);
      rig.control.tellProbe(1, CHECK_TIMED_OUT);
      rig.step(1);
    });
    breaker.rig.control.tellProbe(1, CHECK_PASSED);
    breaker.rig.step(21);
    expect(breaker.worker.grants.tryTake(0, 22)).toBe(NO_TARGET);
    const picks = [breaker.rig.ask(22).targetIndex, breaker.rig.ask(22).targetIndex];
    expect(picks.sort()).toEqual([0, 1]);
  });

  it('has its part at once when its ejection ends, or a health check ends it', () => {
    for (const isChecked of [false, true]) {
      const wish = { outlierDetection, healthCheck, circuitBreaker: { failureThreshold: 100 } };
      const { rig, worker } = aHolder(wish, (one) => fail(one, OUTCOME_FAILURE | OUTCOME_5XX));
      if (isChecked) rig.control.tellProbe(1, CHECK_PASSED);
      const nowMs = isChecked ? 100 : 2001;
      rig.step(nowMs);
      expect(worker.grants.tryTake(0, 30)).toBe(NO_TARGET);
      expect(rig.healthChanges.at(-1)).toMatchObject({
        isHealthy: true,
        reason: isChecked ? 'passed' : 'ejectionOver',
      });
      // How often it was out is not forgotten: the next ejection lasts longer or as long.
      expect(rig.targets.ejectionsOf(1)).toBe(1);
    }
  });
});
