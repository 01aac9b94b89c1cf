/**
 * The coordinator under one configuration after the other: exact limits, open breakers, turns.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
  VERDICT_RATE_LIMITED,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { TARGET_CLOSED, TARGET_OPEN } from '../../../src/channel/coordinator/target-states.js';
import type { CompiledConfig, CompiledLimiter } from '../../../src/config/compiled-config.js';
import { clearRows } from '../../../src/coordinator/coordinator-setup.js';
import { aCompiledRoute } from '../../support/compiled-route.js';
import {
  aCoordinatorConfig,
  aLimiter,
  type CoordinatorConfigWish,
  CoordinatorRig,
} from '../../support/coordinator-rig.js';

function withLimiters(...limiters: CompiledLimiter[]): CompiledConfig {
  return { ...aCoordinatorConfig({ targetCounts: [2, 2] }), limiters };
}

describe('coordinator: another configuration', () => {
  it('keeps the keys of a limiter that stays, and forgets those of one that goes', () => {
    const stays = aLimiter({ limit: 3, keySpace: 7 }, 0);
    const goes = aLimiter({ limit: 3, keySpace: 8 }, 1);
    const rig = new CoordinatorRig(withLimiters(stays, goes));
    const ask = (limiterIndex: number) => rig.ask(0, { limiterIndex }).verdict;
    for (const limiter of [0, 0, 0, 1, 1, 1]) expect(ask(limiter)).toBe(VERDICT_ADMITTED);
    // The row of the second has another limiter, which counts otherwise.
    const comes = aLimiter({ limit: 2, keySpace: 9, algorithm: 'tokenBucket' }, 1);
    rig.reload(withLimiters(stays, comes));
    expect([0, 1, 1, 1].map(ask)).toEqual([
      VERDICT_RATE_LIMITED,
      VERDICT_ADMITTED,
      VERDICT_ADMITTED,
      VERDICT_RATE_LIMITED,
    ]);
    rig.reload(withLimiters(stays));
    expect(ask(0)).toBe(VERDICT_RATE_LIMITED);
  });

  it('gives the rows of keys of a limiter that is gone to others, before any that is in use', () => {
    const wish = { limit: 1, windowMs: 3_600_000 };
    const goes = aLimiter({ ...wish, keySpace: 0 }, 0);
    const rig = new CoordinatorRig(withLimiters(goes));
    const keys = Array.from({ length: 1024 }, (_, key) => key + 1);
    for (const key of keys)
      rig.ask(key, { limiterIndex: 0, keyHashHigh: key, keyHashLow: key * 31 });
    rig.reload(withLimiters(aLimiter({ ...wish, keySpace: 1 }, 0)));
    const late = keys
      .slice(512)
      .map((key) =>
        rig.ask(2000 + key, { limiterIndex: 0, keyHashHigh: -key, keyHashLow: key * 57 }),
      );
    expect(late.filter(({ verdict }) => verdict === VERDICT_ADMITTED)).toHaveLength(512);
    expect(rig.status.readCounts()).toMatchObject({ evictedKeys: 0 });
  });

  it('is exact over any number of reloads and restarts, whatever the algorithm', () => {
    const step = fc.constantFrom('ask', 'ask', 'ask', 'reload', 'restart');
    const algorithm = fc.constantFrom('slidingWindow' as const, 'tokenBucket' as const);
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 10, maxLength: 60 }),
        fc.constantFrom(1, 5, 18, 25, 200),
        algorithm,
        (steps, limit, name) => {
          const kept = aLimiter({ limit, algorithm: name, keySpace: 3, windowMs: 3_600_000 }, 2);
          const rig = new CoordinatorRig(withLimiters(kept));
          let turn = 0;
          let admitted = 0;
          let asked = 0;
          for (const one of steps) {
            if (one === 'restart') rig.restartCoordinator();
            else if (one === 'reload') {
              turn += 1;
              const other = aLimiter({ limit: turn, keySpace: 10 + turn }, turn % 2);
              rig.reload(withLimiters(other, kept));
            } else {
              asked += 1;
              if (rig.ask(1, { limiterIndex: 2 }).verdict === VERDICT_ADMITTED) admitted += 1;
            }
          }
          expect(admitted).toBe(Math.min(asked, limit));
        },
      ),
    );
  });

  it('keeps places of requests in flight, and counts them when the first such limit comes', () => {
    const places = aLimiter({ algorithm: 'inFlight', limit: 2, windowMs: 0, keySpace: 1 }, 1);
    const rig = new CoordinatorRig(withLimiters());
    const route = aCompiledRoute({ limiterIndexes: [1] });
    const config = { ...withLimiters(places), routes: [route] };
    rig.reload(config);
    const first = rig.ask(0, { limiterIndex: 1 });
    const second = rig.ask(0, { limiterIndex: 1 });
    rig.reload({ ...config, limiters: [...config.limiters, aLimiter({ keySpace: 2 }, 0)] });
    expect(rig.ask(0, { limiterIndex: 1 }).verdict).toBe(VERDICT_RATE_LIMITED);
    rig.worker(0).tellInFlightEnd(first.inFlightTicket);
    rig.worker(0).flush();
    rig.step(1);
    expect(rig.ask(1, { limiterIndex: 1 }).verdict).toBe(VERDICT_ADMITTED);
    expect(second.inFlightTicket).not.toBe(0);
  });

  it('keeps an open breaker and its rules follow; a cleared row begins closed', () => {
    const wish: CoordinatorConfigWish = { targetCounts: [1, 1] };
    const rig = new CoordinatorRig(aCoordinatorConfig(wish));
    for (let count = 0; count < 3; count += 1) rig.tell(0, [0, 0, OUTCOME_FAILURE]);
    rig.reload(aCoordinatorConfig({ ...wish, circuitBreaker: { failureThreshold: 9 } }));
    expect(rig.targets.stateOf(0)).toBe(TARGET_OPEN);
    expect(rig.ask(1).verdict).toBe(VERDICT_CIRCUIT_OPEN);
    const { targets, upstreams, ...rest } = aCoordinatorConfig(wish);
    rig.reload({ ...rest, targets: targets.slice(1), upstreams: upstreams.slice(1) });
    // Of a target that is gone, told late.
    rig.tell(2, [0, 0, OUTCOME_FAILURE]);
    clearRows(rig.memory, { targets: [0], upstreams: [0], limiters: [], rollouts: [] });
    rig.reload({ ...rest, targets, upstreams });
    expect(rig.targets.stateOf(0)).toBe(TARGET_CLOSED);
    expect(rig.ask(3).verdict).toBe(VERDICT_ADMITTED);
  });

  it('does not leave a target unhealthy or ejected that nobody watches any more', () => {
    const healthCheck = {
      type: 'tcp' as const,
      service: '',
      path: '/',
      host: '',
      intervalMs: 1000,
      timeoutMs: 100,
      healthyThreshold: 1,
      unhealthyThreshold: 1,
      expectedStatuses: [],
      jitterPercent: 0,
    };
    const wish = { targetCounts: [1], loadBalancing: { panicThreshold: 0 } };
    const rig = new CoordinatorRig(aCoordinatorConfig({ ...wish, healthCheck }));
    rig.control.tellProbe(0, 1);
    rig.step(0);
    expect(rig.ask(0).verdict).not.toBe(VERDICT_ADMITTED);
    rig.reload(aCoordinatorConfig(wish));
    expect(rig.ask(0).verdict).toBe(VERDICT_ADMITTED);
  });

  it('counts tries in flight on, and none for a target that comes', () => {
    const loadBalancing = { policy: 'leastRequest' as const, choices: 0 };
    const wish = { targetCounts: [2], loadBalancing };
    const rig = new CoordinatorRig(aCoordinatorConfig(wish));
    const first = rig.ask(0).targetIndex;
    rig.reload(aCoordinatorConfig(wish));
    expect(rig.ask(0).targetIndex).toBe(1 - first);
    rig.tell(0, [first, 0, OUTCOME_SUCCESS]);
    expect(rig.ask(0).targetIndex).toBe(first);
  });
});
