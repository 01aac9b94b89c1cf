import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ASK_WANTS_GRANT,
  OUTCOME_5XX,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  VERDICT_ADMITTED,
  VERDICT_NO_HEALTHY_TARGET,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { TargetLoadView } from '../../../src/channel/coordinator/target-loads.js';
import {
  CHECK_CONNECT_FAILED,
  CHECK_PASSED,
  type CheckResult,
  TARGET_CLOSED,
  TARGET_OPEN,
} from '../../../src/channel/coordinator/target-states.js';
import type { CompiledBalancing } from '../../../src/config/compiled-config.js';
import {
  aCoordinatorConfig,
  anAsk,
  type CoordinatorConfigWish,
  CoordinatorRig,
  ReplyKeeper,
} from '../../support/coordinator-rig.js';

const CHECK: NonNullable<CoordinatorConfigWish['healthCheck']> = {
  type: 'http',
  service: '',
  path: '/',
  host: '',
  intervalMs: 1000,
  timeoutMs: 100,
  healthyThreshold: 2,
  unhealthyThreshold: 2,
  expectedStatuses: [[200, 299]],
  jitterPercent: 0,
};

const OUTLIER: NonNullable<CoordinatorConfigWish['outlierDetection']> = {
  consecutive5xx: 3,
  intervalMs: 10_000,
  baseEjectionMs: 1000,
  maxEjectionMs: 5000,
  maxEjectionPercent: 10,
};

const BAD_ANSWER = OUTCOME_SUCCESS | OUTCOME_5XX;

const POLICIES: readonly CompiledBalancing['policy'][] = [
  'roundRobin',
  'weightedRoundRobin',
  'leastRequest',
  'consistentHash',
  'random',
];

function aRig(wish: CoordinatorConfigWish): CoordinatorRig {
  return new CoordinatorRig(aCoordinatorConfig(wish));
}

function probe(rig: CoordinatorRig, nowMs: number, target: number, result: CheckResult): void {
  rig.control.tellProbe(target, result);
  rig.step(nowMs);
}

/** A first probe that fails: unhealthy at once. */
function bringDown(rig: CoordinatorRig, nowMs: number, ...targets: readonly number[]): void {
  for (const target of targets) probe(rig, nowMs, target, CHECK_CONNECT_FAILED);
}

function picksOf(rig: CoordinatorRig, nowMs: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => {
    return rig.ask(nowMs, { balanceHash: at * 0x1234567 }).targetIndex;
  });
}

function setOf(picks: readonly number[]): number[] {
  return [...new Set(picks)].sort();
}

describe('targets: which come into question', () => {
  for (const policy of POLICIES) {
    it(`takes a target that was tried only when there is no other (${policy})`, () => {
      const rig = aRig({ targetCounts: [3], loadBalancing: { policy } });
      for (let hash = 0; hash < 30; hash += 1) {
        const balanceHash = hash * 0x7654321;
        expect(rig.ask(0, { triedMask: 0b101, balanceHash }).targetIndex).toBe(1);
        expect(rig.ask(0, { triedMask: 0b111, balanceHash }).verdict).toBe(VERDICT_ADMITTED);
      }
    });

    it(`uses a backup only while no primary is available (${policy})`, () => {
      const wish = { targetCounts: [3], backups: [1], healthCheck: CHECK };
      const rig = aRig({ ...wish, loadBalancing: { policy } });
      expect(setOf(picksOf(rig, 0, 40))).toEqual([0, 2]);
      bringDown(rig, 1, 0, 2);
      expect(setOf(picksOf(rig, 2, 40))).toEqual([1]);
      for (let count = 0; count < 2; count += 1) probe(rig, 3, 2, CHECK_PASSED);
      expect(setOf(picksOf(rig, 4, 40))).toEqual([2]);
    });

    it(`leaves an unhealthy target alone, unless too few are healthy (${policy})`, () => {
      const loadBalancing = { policy, panicThreshold: 50 };
      const rig = aRig({ targetCounts: [4], healthCheck: CHECK, loadBalancing });
      bringDown(rig, 1, 0, 1);
      expect(setOf(picksOf(rig, 2, 60))).toEqual([2, 3]);
      bringDown(rig, 3, 2);
      expect(setOf(picksOf(rig, 4, 200))).toEqual([0, 1, 2, 3]);
    });
  }

  it('never ignores health when the threshold is 0, and says that no target is healthy', () => {
    const loadBalancing = { panicThreshold: 0 };
    const rig = aRig({ targetCounts: [2], healthCheck: CHECK, loadBalancing });
    bringDown(rig, 1, 0, 1);
    expect(rig.ask(2)).toMatchObject({ verdict: VERDICT_NO_HEALTHY_TARGET, retryAfterMs: 0 });
  });

  it('goes to the preferred target while it is available, and else by the policy', () => {
    const rig = aRig({ targetCounts: [3], healthCheck: CHECK });
    const ask = () => rig.ask(5, { preferredTarget: 2 }).targetIndex;
    expect([ask(), ask(), ask()]).toEqual([2, 2, 2]);
    expect(rig.ask(5, { preferredTarget: 2, triedMask: 0b100 }).targetIndex).not.toBe(2);
    expect(rig.ask(5, { preferredTarget: 99 }).targetIndex).toBeGreaterThanOrEqual(0);
    bringDown(rig, 6, 2);
    expect(ask()).not.toBe(2);
  });

  it('gives a target that became healthy a tenth of its part at first, and then all', () => {
    const loadBalancing = { policy: 'weightedRoundRobin' as const, slowStartMs: 10_000 };
    const rig = aRig({ targetCounts: [2], healthCheck: CHECK, loadBalancing });
    bringDown(rig, 1, 0);
    for (let count = 0; count < 2; count += 1) probe(rig, 2, 0, CHECK_PASSED);
    const shareAt = (nowMs: number) => picksOf(rig, nowMs, 220).filter((one) => one === 0).length;
    expect(Math.abs(shareAt(2) - 20)).toBeLessThanOrEqual(2);
    expect(Math.abs(shareAt(10_002) - 110)).toBeLessThanOrEqual(2);
  });

  it('gives a target whose breaker closed a growing share, and all when it is alone', () => {
    const circuitBreaker = { rampUpMs: 10_000 };
    const loadBalancing = { policy: 'weightedRoundRobin' as const };
    const rig = aRig({ targetCounts: [2, 1], circuitBreaker, loadBalancing });
    for (const target of [0, 2]) {
      for (let count = 0; count < 3; count += 1) rig.tell(0, [target, 0, OUTCOME_FAILURE]);
    }
    const first = rig.ask(1000, { triedMask: 0b10 });
    rig.tell(1001, [0, first.ticket, OUTCOME_SUCCESS]);
    const share = picksOf(rig, 1001, 220).filter((one) => one === 0).length;
    expect(Math.abs(share - 20)).toBeLessThanOrEqual(2);
    const alone = rig.ask(1002, { upstreamIndex: 1 });
    rig.tell(1003, [2, alone.ticket, OUTCOME_SUCCESS]);
    for (let count = 0; count < 20; count += 1) {
      expect(rig.ask(1004, { upstreamIndex: 1 }).targetIndex).toBe(2);
    }
  });
});

describe('targets: health', () => {
  it('says each change once, with its reason', () => {
    const rig = aRig({ targetCounts: [2], healthCheck: CHECK });
    probe(rig, 1, 0, CHECK_PASSED);
    for (let count = 0; count < 3; count += 1) probe(rig, 2 + count, 0, CHECK_CONNECT_FAILED);
    for (let count = 0; count < 3; count += 1) probe(rig, 6 + count, 0, CHECK_PASSED);
    expect(rig.healthChanges).toEqual([
      { targetIndex: 0, isHealthy: false, reason: 'connectFailed', atMs: 3, untilMs: 0 },
      { targetIndex: 0, isHealthy: true, reason: 'passed', atMs: 7, untilMs: 0 },
    ]);
  });

  it('need not wait for its breaker when it is back from what the checks saw', () => {
    const rig = aRig({ targetCounts: [2], healthCheck: CHECK });
    probe(rig, 1, 0, CHECK_PASSED);
    for (let count = 0; count < 3; count += 1) rig.tell(2, [0, 0, OUTCOME_FAILURE]);
    expect(rig.targets.stateOf(0)).toBe(TARGET_OPEN);
    // A check that never failed says nothing of why requests did.
    probe(rig, 3, 0, CHECK_PASSED);
    expect(setOf(picksOf(rig, 4, 10))).toEqual([1]);
    probe(rig, 5, 0, CHECK_CONNECT_FAILED);
    expect(setOf(picksOf(rig, 6, 10))).toEqual([1]);
    probe(rig, 7, 0, CHECK_PASSED);
    expect(setOf(picksOf(rig, 8, 10))).toEqual([0, 1]);
    expect(rig.targets.probesOf(0)).toBe(1);
  });

  it('ejects a target after bad answers in a row, whatever the breaker makes of them', () => {
    const rig = aRig({ targetCounts: [3], outlierDetection: OUTLIER });
    rig.tell(1, [0, 0, BAD_ANSWER]);
    rig.tell(1, [0, 0, BAD_ANSWER]);
    rig.tell(1, [0, 0, OUTCOME_SUCCESS]);
    for (let count = 0; count < 3; count += 1) {
      expect(rig.healthChanges).toEqual([]);
      rig.tell(2, [0, 0, BAD_ANSWER]);
    }
    const change = { targetIndex: 0, isHealthy: false, reason: 'consecutive5xx', untilMs: 1002 };
    expect(rig.healthChanges).toMatchObject([change]);
    expect(setOf(picksOf(rig, 3, 30))).toEqual([1, 2]);
    expect(rig.targets.stateOf(0)).toBe(TARGET_CLOSED);
    for (let count = 0; count < 5; count += 1) rig.tell(4, [1, 0, BAD_ANSWER]);
    expect(setOf(picksOf(rig, 5, 30))).toEqual([1, 2]);
    rig.step(1002);
    expect(setOf(picksOf(rig, 1003, 30))).toEqual([0, 1, 2]);
  });

  it('goes on with what was known after a restart of the coordinator', () => {
    const wish = { targetCounts: [3], healthCheck: CHECK, outlierDetection: OUTLIER };
    const rig = aRig(wish);
    bringDown(rig, 1, 0);
    for (let count = 0; count < 3; count += 1) rig.tell(2, [1, 0, BAD_ANSWER]);
    rig.restartCoordinator();
    rig.ask(3);
    probe(rig, 4, 0, CHECK_PASSED);
    rig.restartCoordinator();
    probe(rig, 5, 0, CHECK_PASSED);
    expect(setOf(picksOf(rig, 6, 30))).toEqual([0, 2]);
    rig.step(1002);
    expect(setOf(picksOf(rig, 1003, 30))).toEqual([0, 1, 2]);
  });

  it('counts successes that were told once a flush into the rate of failures', () => {
    const failureRate = { percent: 50, minimumRequests: 10, windowMs: 10_000 };
    const circuitBreaker = { failureThreshold: 1000, failureRate };
    const rig = aRig({ targetCounts: [1], circuitBreaker });
    for (let count = 0; count < 20; count += 1) rig.worker(0).tellOutcome(0, 0, OUTCOME_SUCCESS, 0);
    rig.worker(0).flush();
    rig.step(1);
    for (let count = 0; count < 19; count += 1) rig.tell(2, [0, 0, OUTCOME_FAILURE]);
    expect(rig.targets.stateOf(0)).toBe(TARGET_CLOSED);
    rig.tell(3, [0, 0, OUTCOME_FAILURE]);
    expect(rig.targets.stateOf(0)).toBe(TARGET_OPEN);
    expect(rig.transitions.at(-1)?.reason).toBe('failureRate');
  });
});

describe('targets: turns in advance', () => {
  function grantOf(rig: CoordinatorRig, nowMs: number): readonly number[] {
    let positions: readonly number[] = [];
    for (let ask = 0; ask < 20; ask += 1) {
      positions = rig.ask(nowMs, { flags: ASK_WANTS_GRANT }).grantPositions;
    }
    return positions;
  }

  it('are in the shares of the policy', () => {
    const policy = 'weightedRoundRobin' as const;
    const rig = aRig({ targetCounts: [3], weights: [1, 2, 3], loadBalancing: { policy } });
    const positions = grantOf(rig, 0);
    const counts = [0, 1, 2].map((one) => positions.filter((other) => other === one).length);
    expect(counts).toEqual([10, 20, 30]);
  });

  it('leave out targets that are not available', () => {
    const rig = aRig({ targetCounts: [3], healthCheck: CHECK });
    bringDown(rig, 0, 1);
    expect(setOf([...grantOf(rig, 1)])).toEqual([0, 2]);
    for (let count = 0; count < 3; count += 1) rig.tell(2, [2, 0, OUTCOME_FAILURE]);
    expect(setOf([...grantOf(rig, 3)])).toEqual([0]);
  });

  it('are not given while a target waits to be probed, nor while health is ignored', () => {
    const rig = aRig({ targetCounts: [3], healthCheck: CHECK });
    for (let count = 0; count < 3; count += 1) rig.tell(0, [2, 0, OUTCOME_FAILURE]);
    expect(grantOf(rig, 1)).not.toEqual([]);
    expect(rig.ask(1000, { flags: ASK_WANTS_GRANT }).grantPositions).toEqual([]);
    bringDown(rig, 1001, 0, 1);
    expect(grantOf(rig, 1002)).toEqual([]);
  });

  it('are not given where each request has a say, apart from the only target', () => {
    for (const policy of ['leastRequest', 'consistentHash'] as const) {
      const loadBalancing = { policy };
      expect(grantOf(aRig({ targetCounts: [2], loadBalancing }), 0)).toEqual([]);
      expect(grantOf(aRig({ targetCounts: [1], loadBalancing }), 0)).toHaveLength(60);
    }
  });
});

describe('targets: tries in flight', () => {
  it('go to the target with fewest, also those whose replies are still on their way', () => {
    const loadBalancing = { policy: 'leastRequest' as const, choices: 0 };
    const rig = aRig({ targetCounts: [3], loadBalancing });
    const replies = rig.askMany(0, [{}, {}, {}, {}, {}, {}]);
    const counts = [0, 1, 2].map((one) => replies.filter((r) => r.targetIndex === one).length);
    expect(counts).toEqual([2, 2, 2]);
  });

  it('agree with the workers again after a restart while replies were on their way', () => {
    const loadBalancing = { policy: 'leastRequest' as const, choices: 0 };
    const rig = aRig({ targetCounts: [2], loadBalancing });
    const worker = rig.worker(0);
    for (let count = 0; count < 8; count += 1)
      worker.ask(anAsk({ askId: 100 + count, triedMask: 0b10 }));
    worker.flush();
    rig.step(0);
    rig.restartCoordinator();
    const keeper = new ReplyKeeper();
    worker.drainReplies(keeper);
    for (const { targetIndex } of keeper.replies) rig.tell(0, [targetIndex, 0, OUTCOME_SUCCESS]);
    const picks = rig.askMany(1, [{}, {}, {}, {}]).map((reply) => reply.targetIndex);
    expect(picks.filter((one) => one === 0)).toHaveLength(2);
  });

  it('are what a naive list says, whoever settles, gives up, dies or is started again', () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom('ask', 'ask', 'ask', 'settle', 'settle', 'giveUp', 'die', 'restart'),
        lane: fc.nat(2),
        pick: fc.nat(20),
        outcome: fc.constantFrom(OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_CANCELLED),
      }),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const loadBalancing = { policy: 'leastRequest' as const, choices: 0 };
        const circuitBreaker = { failureThreshold: 1000 };
        const rig = aRig({ workers: 3, targetCounts: [4], loadBalancing, circuitBreaker });
        const view = new TargetLoadView(rig.memory.loads, rig.config.capacity.targets, rig.status);
        let tries: { lane: number; target: number }[] = [];
        for (const { kind, lane, pick, outcome } of list) {
          if (kind === 'ask') {
            const { targetIndex } = rig.ask(0, {}, lane);
            const loads = [0, 1, 2, 3].map((one) => countAt(tries, one));
            expect(loads[targetIndex]).toBe(Math.min(...loads));
            tries.push({ lane, target: targetIndex });
          } else if (kind === 'settle') {
            const [ended] = tries.splice(pick, 1);
            if (ended !== undefined) rig.tell(0, [ended.target, 0, outcome], ended.lane);
          } else if (kind === 'giveUp') {
            askInVain(rig, lane);
          } else if (kind === 'die') {
            rig.control.replaceWorker(lane);
            tries = tries.filter((one) => one.lane !== lane);
            // From this moment on, before anybody has noticed.
            expect(view.inFlightOf(0)).toBe(countAt(tries, 0));
            if (pick > 10) rig.step(0);
            rig.workers[lane] = rig.newWorker(lane);
          } else {
            rig.restartCoordinator();
          }
          for (const target of [0, 1, 2, 3]) {
            expect(view.inFlightOf(target)).toBe(countAt(tries, target));
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** The reply comes when nobody waits for it any more. */
function askInVain(rig: CoordinatorRig, lane: number): void {
  const worker = rig.worker(lane);
  worker.ask(anAsk({ askId: 999_999 }));
  worker.flush();
  rig.step(0);
  worker.abandonAsk({ askId: 999_999, upstreamIndex: 0 });
  const keeper = new ReplyKeeper();
  keeper.isKnown = () => false;
  worker.drainReplies(keeper);
}

function countAt(tries: readonly { readonly target: number }[], target: number): number {
  return tries.filter((one) => one.target === target).length;
}

describe('targets: no target stays down for ever', () => {
  const failing = [0, 0, OUTCOME_FAILURE] as [number, number, number];

  function open(rig: CoordinatorRig): void {
    for (let count = 0; count < 3; count += 1) rig.tell(0, failing);
  }

  const circuitBreaker = { openForMs: 1000, openForMaxMs: 4000, halfOpenRequests: 1 };
  const base = { targetCounts: [2], circuitBreaker, loadBalancing: { panicThreshold: 0 } };
  const EVERYTHING = { ...base, healthCheck: CHECK, outlierDetection: OUTLIER };

  /** How target 0 comes into a state, and what alone must bring it back. */
  const WAYS: readonly {
    readonly state: string;
    readonly wish: CoordinatorConfigWish;
    fall(rig: CoordinatorRig): void;
    rise(rig: CoordinatorRig): number;
  }[] = [
    {
      state: 'open',
      wish: base,
      fall: open,
      rise: () => 1000,
    },
    {
      state: 'open again after failed probes, for as long as it gets',
      wish: base,
      fall: (rig) => {
        open(rig);
        for (const nowMs of [1000, 3000, 7000, 11_000]) {
          const { ticket } = rig.ask(nowMs, { triedMask: 0b10 });
          expect(ticket).toBeGreaterThan(0);
          rig.tell(nowMs, [0, ticket, OUTCOME_FAILURE]);
        }
      },
      rise: () => 15_000,
    },
    {
      state: 'half-open, and nobody ever tells of the probe',
      wish: base,
      fall: (rig) => {
        open(rig);
        expect(rig.ask(1000, { triedMask: 0b10 }).ticket).toBeGreaterThan(0);
      },
      rise: () => 2000,
    },
    {
      state: 'half-open, and the worker with the probe dies',
      wish: base,
      fall: (rig) => {
        open(rig);
        expect(rig.ask(1000, { triedMask: 0b10 }).ticket).toBeGreaterThan(0);
      },
      rise: (rig) => {
        rig.control.replaceWorker(0);
        rig.workers[0] = rig.newWorker(0);
        return 1001;
      },
    },
    {
      state: 'half-open, and the probe was given up',
      wish: base,
      fall: (rig) => {
        open(rig);
        const { ticket } = rig.ask(1000, { triedMask: 0b10 });
        rig.tell(1001, [0, ticket, OUTCOME_CANCELLED]);
      },
      rise: () => 1002,
    },
    {
      state: 'unhealthy',
      wish: EVERYTHING,
      fall: (rig) => bringDown(rig, 0, 0),
      rise: (rig) => {
        for (let count = 0; count < 2; count += 1) probe(rig, 10, 0, CHECK_PASSED);
        return 11;
      },
    },
    {
      state: 'ejected',
      wish: EVERYTHING,
      fall: (rig) => {
        for (let count = 0; count < 3; count += 1) rig.tell(0, [0, 0, BAD_ANSWER]);
      },
      rise: () => 1000,
    },
    {
      state: 'ejected many times',
      wish: EVERYTHING,
      fall: (rig) => {
        for (let round = 0; round < 9; round += 1) {
          rig.step(round * 5000);
          for (let count = 0; count < 3; count += 1) rig.tell(round * 5000, [0, 0, BAD_ANSWER]);
        }
      },
      rise: () => 45_000,
    },
    {
      state: 'open, unhealthy and ejected at once, over a restart of the coordinator',
      wish: EVERYTHING,
      fall: (rig) => {
        for (let count = 0; count < 3; count += 1) {
          rig.tell(0, [0, 0, OUTCOME_FAILURE | OUTCOME_5XX]);
        }
        bringDown(rig, 1, 0);
        rig.restartCoordinator();
      },
      rise: (rig) => {
        for (let count = 0; count < 2; count += 1) probe(rig, 10, 0, CHECK_PASSED);
        return 1000;
      },
    },
  ];

  it.each(WAYS)('comes back when it is $state', ({ wish, fall, rise }) => {
    const rig = aRig(wish);
    fall(rig);
    const isUp = (nowMs: number): boolean =>
      rig.askMany(nowMs, [{}, {}, {}, {}]).some((reply) => reply.targetIndex === 0);
    const backMs = rise(rig);
    rig.step(backMs);
    expect(isUp(backMs)).toBe(true);
  });

  it.each(WAYS)('is not used while it is $state', ({ state, wish, fall }) => {
    // The place of a probe that was given up is free at once.
    if (state.includes('given up')) return;
    const rig = aRig(wish);
    fall(rig);
    const lastMs = Math.max(1, ...rig.transitions.map((one) => one.atMs));
    const ejectedMs = Math.max(0, ...rig.healthChanges.map((one) => one.atMs));
    const nowMs = Math.max(lastMs, ejectedMs) + 1;
    const picks = rig.askMany(nowMs, [{}, {}, {}, {}]).map((reply) => reply.targetIndex);
    expect(setOf(picks)).toEqual([1]);
  });
});
