import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import { OUTCOME_FAILURE } from '../../../../src/channel/coordinator/coordinator-records.js';
import { COORDINATOR_LOST_MS } from '../../../../src/channel/coordinator/coordinator-status.js';
import {
  LimitCountsView,
  type LimitCountValues,
} from '../../../../src/channel/coordinator/limit-counts.js';
import type { GatewayConfig, RateLimitConfig } from '../../../../src/config/gateway-config.js';
import {
  ASK_ADMITTED,
  ASK_CLOSED,
  ASK_LIMITED,
  ASK_OPEN,
  ASK_PENDING,
  CoordinatorClient,
} from '../../../../src/worker/admission/coordinator-client.js';
import { TargetGrants } from '../../../../src/worker/admission/target-grants.js';
import { TargetPreference } from '../../../../src/worker/admission/target-preference.js';
import { upstreamOfRoute } from '../../../../src/worker/route/worker-route.js';
import { compileConfig } from '../../../support/compile-config.js';
import { CoordinatorRig } from '../../../support/coordinator-rig.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { workerRoutesOf } from '../../../support/served-config.js';

const LIMIT: RateLimitConfig = { limit: 5, window: '1h' };

/** A worker of one route over three targets, and the coordinator that it asks. */
class Desk {
  nowMs = 1000;
  readonly rig: CoordinatorRig;
  readonly client: CoordinatorClient;
  private readonly route;

  constructor(
    onCoordinatorLost: 'wait' | 'open' | 'closed',
    rateLimit = LIMIT,
    ports: readonly number[] = [1, 2, 3],
  ) {
    const targets = ports.map((port) => ({ url: `http://127.0.0.1:${port}` as const }));
    const match = { path: '/*' };
    const config: GatewayConfig = {
      workers: 1,
      upstreams: { api: { targets, circuitBreaker: { failureThreshold: 1 } } },
      routes: [{ name: 'all', match, upstream: 'api', onCoordinatorLost, rateLimit }],
    };
    const compiled = compileConfig(config);
    this.rig = new CoordinatorRig(compiled);
    const [route] = workerRoutesOf(compiled);
    if (route === undefined) throw new Error('no route');
    this.route = route;
    const hash = new HalfSipHash(1, 2);
    const end = this.rig.worker(0);
    this.client = new CoordinatorClient(
      end,
      new TargetGrants([upstreamOfRoute(route).targetIndexes], end.targets, end.standings),
      hash,
      new TargetPreference(compiled, hash),
      () => this.nowMs,
      () => undefined,
    );
    this.rig.status.beat(this.nowMs);
  }

  ask(): [asked: number, targetIndex: number, fields: string] {
    const exchange = makeExchange({ route: this.route });
    const asked = this.client.askAdmission(exchange, this.route.admission, this.nowMs);
    return [asked, exchange.targetIndex, exchange.admission.limitFields];
  }

  openBreaker(targetIndex: number): void {
    this.rig.tell(this.nowMs, [targetIndex, 0, OUTCOME_FAILURE]);
  }

  counts(): LimitCountValues {
    return new LimitCountsView(this.rig.memory.limitCounts).read(0);
  }

  answer(): void {
    this.client.flush();
    this.rig.step(this.nowMs);
    this.client.drain();
  }
}

describe('while the coordinator is lost', () => {
  it('a route that is closed refuses at once, as soon as the heartbeat is too old', () => {
    const desk = new Desk('closed');
    desk.nowMs += COORDINATOR_LOST_MS;
    expect(desk.ask()[0]).toBe(ASK_PENDING);
    desk.nowMs += 1;
    expect(desk.ask()[0]).toBe(ASK_CLOSED);
    desk.rig.status.beat(desk.nowMs);
    expect(desk.ask()[0]).toBe(ASK_PENDING);
  });

  it('a route that is open takes the targets in turn, but for those whose breaker is open', () => {
    const desk = new Desk('open');
    desk.openBreaker(1);
    desk.nowMs += COORDINATOR_LOST_MS + 1;
    const asked = Array.from({ length: 8 }, () => desk.ask());
    expect(asked.map(([what]) => what)).toEqual(Array(8).fill(ASK_OPEN));
    const chosen = asked.map(([, target]) => target);
    expect(new Set(chosen)).toEqual(new Set([0, 2]));
    expect(chosen.filter((target) => target === 0).length).toBeGreaterThanOrEqual(3);
  });

  it('a route that is open is closed when every breaker is open', () => {
    const desk = new Desk('open');
    for (const targetIndex of [0, 1, 2]) desk.openBreaker(targetIndex);
    desk.nowMs += COORDINATOR_LOST_MS + 1;
    expect(desk.ask()[0]).toBe(ASK_CLOSED);
  });

  it('a route that waits asks, however old the heartbeat is', () => {
    const desk = new Desk('wait');
    desk.nowMs += 60_000;
    expect(desk.ask()[0]).toBe(ASK_PENDING);
  });
});

describe('a hot key with a large limit', () => {
  it('is admitted without asking while its grants last, and says what is left', () => {
    const desk = new Desk('wait', { limit: 1000, window: '1h' });
    let granted = 0;
    let fields = '';
    for (let turn = 0; turn < 400; turn += 1) {
      const [asked, targetIndex, said] = desk.ask();
      if (asked === ASK_ADMITTED) {
        granted += 1;
        expect(targetIndex).toBeGreaterThanOrEqual(0);
        fields = said;
      }
      desk.answer();
      desk.nowMs += 0.5;
    }
    expect(granted).toBeGreaterThan(200);
    expect(fields).toMatch(
      /RateLimit-Policy: "all";q=1000;w=3600\r\nRateLimit: "all";r=\d+;t=\d+$/,
    );
  });

  it('with a small limit asks each time', () => {
    const desk = new Desk('wait', { limit: 199, window: '1h' });
    for (let turn = 0; turn < 150; turn += 1) {
      expect(desk.ask()[0]).toBe(ASK_PENDING);
      desk.answer();
    }
  });
});

describe('a key that is refused again and again', () => {
  /** Uses the limit up; the last ask is refused. */
  function aFlood(rateLimit: RateLimitConfig): Desk {
    const desk = new Desk('wait', rateLimit);
    for (let count = 0; count <= Number(rateLimit.limit); count += 1) {
      expect(desk.ask()[0]).toBe(ASK_PENDING);
      desk.answer();
    }
    return desk;
  }

  it('is refused without an ask while the verdict holds, with the same fields', () => {
    const desk = aFlood(LIMIT);
    const { asks } = desk.rig.status.readCounts();
    for (let count = 0; count < 50; count += 1) {
      const [asked, targetIndex, fields] = desk.ask();
      expect([asked, targetIndex]).toEqual([ASK_LIMITED, -1]);
      expect(fields).toBe('\r\nRateLimit-Policy: "all";q=5;w=3600\r\nRateLimit: "all";r=0;t=3600');
      expect(desk.client.retryAfterMs).toBe(3_600_000);
    }
    desk.answer();
    expect(desk.rig.status.readCounts().asks).toBe(asks);
    expect(desk.counts()).toMatchObject({ admitted: 5, refused: 51 });
  });

  it('is asked for again once the verdict does not hold any more', () => {
    const desk = aFlood(LIMIT);
    desk.nowMs += 20;
    expect(desk.ask()[0]).toBe(ASK_LIMITED);
    desk.nowMs += 1;
    expect(desk.ask()[0]).toBe(ASK_PENDING);
    desk.answer();
    expect(desk.ask()[0]).toBe(ASK_LIMITED);
  });

  it.each(['slidingWindow', 'fixedWindow', 'tokenBucket'] as const)(
    'is admitted when it would have been admitted by asking each time (%s)',
    (algorithm) => {
      const steps = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 50, maxLength: 300 });
      const limit = fc.integer({ min: 1, max: 9 });
      const property = fc.property(
        steps,
        limit,
        fc.integer({ min: 1, max: 3 }),
        (all, most, cost) => {
          const rateLimit = { limit: most * cost, window: '100ms', cost, algorithm } as const;
          const remembers = new Desk('wait', rateLimit);
          const forgets = new Desk('wait', rateLimit);
          for (const step of all) {
            for (const desk of [remembers, forgets]) {
              desk.nowMs += step / 4;
              desk.ask();
              desk.answer();
            }
            expect(remembers.counts()).toEqual(forgets.counts());
            forgets.client.forgetRefusals();
          }
          const { asks } = remembers.rig.status.readCounts();
          expect(asks).toBeLessThanOrEqual(forgets.rig.status.readCounts().asks);
        },
      );
      fc.assert(property, { numRuns: 60 });
    },
  );

  it('is asked for when other limits have come into force', () => {
    const desk = aFlood(LIMIT);
    desk.client.forgetRefusals();
    expect(desk.ask()[0]).toBe(ASK_PENDING);
  });

  it('is asked for each time where a request that ends makes room', () => {
    const desk = aFlood({ maxInFlight: 3 });
    expect(desk.ask()[0]).toBe(ASK_PENDING);
  });

  it.each(['slidingWindow', 'fixedWindow', 'tokenBucket'] as const)(
    'is refused after the granted admissions are used up, and not before (%s)',
    (algorithm) => {
      const desk = new Desk('wait', { limit: 200, window: '1h', algorithm }, [1]);
      for (let count = 0; count < 6; count += 1) {
        desk.ask();
        desk.answer();
      }
      while (desk.ask()[0] === ASK_ADMITTED);
      desk.answer();
      // All at once: an early ask brings a grant, and later ones are refused.
      for (let count = 0; count < 300; count += 1) desk.ask();
      desk.answer();
      expect(desk.counts()).toMatchObject({ admitted: 200 });
      const asked = Array.from({ length: 100 }, () => desk.ask()[0]);
      const atHand = asked.filter((what) => what === ASK_ADMITTED).length;
      expect(atHand).toBeGreaterThan(0);
      expect(asked.slice(0, atHand)).toEqual(Array(atHand).fill(ASK_ADMITTED));
      expect(asked.at(-1)).toBe(ASK_LIMITED);
    },
  );
});
