import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import {
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import { COORDINATOR_LOST_MS } from '../../../../src/channel/coordinator/coordinator-status.js';
import {
  LimitCountsView,
  type LimitCountValues,
} from '../../../../src/channel/coordinator/limit-counts.js';
import type {
  GatewayConfig,
  RateLimitConfig,
  UpstreamConfig,
} from '../../../../src/config/gateway-config.js';
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
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import { upstreamOfRoute } from '../../../../src/worker/route/worker-route.js';
import { compileConfig } from '../../../support/compile-config.js';
import { CoordinatorRig } from '../../../support/coordinator-rig.js';
import { runs } from '../../../support/long-form.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { noSlots } from '../../../support/no-slots.js';
import { workerRoutesOf } from '../../../support/served-config.js';

const LIMIT: RateLimitConfig = { limit: 5, window: '1h' };

interface DeskWish {
  readonly ports?: readonly number[];
  readonly upstream?: Partial<UpstreamConfig>;
  /** The route asks who calls. */
  readonly isGuarded?: boolean;
}

const GUARD = { type: 'apiKey', keys: [{ id: 'a', sha256: 'ab'.repeat(32) }] } as const;

/** A worker of one route over three targets, and the coordinator that it asks. */
class Desk {
  nowMs = 1000;
  readonly rig: CoordinatorRig;
  readonly client: CoordinatorClient;
  private readonly route;

  constructor(
    onCoordinatorLost: 'wait' | 'open' | 'closed',
    rateLimit = LIMIT,
    { ports = [1, 2, 3], upstream = {}, isGuarded = false }: DeskWish = {},
  ) {
    const targets = ports.map((port) => ({ url: `http://127.0.0.1:${port}` as const }));
    const match = { path: '/*' };
    const config: GatewayConfig = {
      workers: 1,
      authenticators: { keys: GUARD },
      upstreams: { api: { targets, circuitBreaker: { failureThreshold: 1 }, ...upstream } },
      routes: [
        {
          name: 'all',
          match,
          upstream: 'api',
          onCoordinatorLost,
          rateLimit,
          ...(isGuarded && { authenticate: ['keys'] }),
        },
      ],
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
      new TargetPreference(compiled, hash, noSlots()),
      () => this.nowMs,
      () => undefined,
    );
    this.rig.status.beat(this.nowMs);
  }

  ask(): [asked: number, targetIndex: number, fields: string] {
    const exchange = makeExchange({ route: this.route });
    const asked = this.client.askAdmission(exchange, this.route.admission, this.nowMs);
    return [asked, exchange.targetIndex, exchange.replyFields];
  }

  /** What a request asks before it is known who calls. */
  begin(): Exchange {
    const exchange = makeExchange({ route: this.route });
    const asked = this.client.askAdmission(exchange, this.route.firstAdmission, this.nowMs);
    expect(asked).toBe(ASK_PENDING);
    return exchange;
  }

  /** It is known now. Returns the target. */
  goOn(exchange: Exchange): number {
    const { admission } = this.route;
    const asked = this.client.askAdmission(exchange, admission, this.nowMs);
    if (asked === ASK_PENDING) this.answer();
    else expect(asked).toBe(ASK_ADMITTED);
    this.client.settleTry(exchange.admission, 0, OUTCOME_SUCCESS);
    exchange.admission.handOver();
    return exchange.targetIndex;
  }

  get asks(): number {
    return this.rig.status.readCounts().asks;
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
            const [one, other] = [remembers.counts(), forgets.counts()];
            if (!isDeepStrictEqual(one, other)) expect(one).toEqual(other);
            forgets.client.forgetRefusals();
          }
          const { asks } = remembers.rig.status.readCounts();
          expect(asks).toBeLessThanOrEqual(forgets.rig.status.readCounts().asks);
        },
      );
      fc.assert(property, runs(60));
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
      const desk = new Desk('wait', { limit: 200, window: '1h', algorithm }, { ports: [1] });
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

describe('a request whose caller is to be known, under a limit that counts whoever calls', () => {
  const LARGE = { limit: 150, window: '1h', key: 'clientIp' } as const;

  it.each(['roundRobin', 'weightedRoundRobin', 'random'] as const)(
    'asks once, and takes strict turns (%s)',
    (policy) => {
      const upstream = { loadBalancing: { policy } };
      const desk = new Desk('wait', LARGE, { upstream, isGuarded: true });
      const chosen: number[] = [];
      for (let count = 0; count < 90; count += 1) {
        const exchange = desk.begin();
        desk.answer();
        chosen.push(desk.goOn(exchange));
        // Slow enough that nobody is given many turns in advance.
        desk.nowMs += 100;
      }
      expect(desk.asks).toBe(90);
      expect(desk.counts()).toMatchObject({ admitted: 90 });
      expect(new Set(chosen)).toEqual(new Set([0, 1, 2]));
      if (policy === 'random') return;
      expect(chosen).toEqual(chosen.map((_, nth) => ((chosen[0] ?? 0) + nth) % 3));
    },
  );

  it('asks once with its only target, whatever the policy', () => {
    const upstream = { loadBalancing: { policy: 'leastRequest' } } as const;
    const desk = new Desk('wait', LARGE, { ports: [1], upstream, isGuarded: true });
    for (let count = 0; count < 30; count += 1) {
      const exchange = desk.begin();
      desk.answer();
      expect(desk.goOn(exchange)).toBe(0);
      desk.nowMs += 100;
    }
    // Now and then turns are asked for in advance.
    expect(desk.asks).toBeLessThanOrEqual(30 + 6);
  });

  it('asks again where a target is chosen by what is in flight', () => {
    const upstream = { loadBalancing: { policy: 'leastRequest' } } as const;
    const desk = new Desk('wait', LARGE, { upstream, isGuarded: true });
    for (let count = 0; count < 10; count += 1) {
      const exchange = desk.begin();
      desk.answer();
      expect(desk.goOn(exchange)).toBeGreaterThanOrEqual(0);
    }
    expect(desk.asks).toBe(20);
  });

  it('leaves its turn to the next one when it is refused', () => {
    const desk = new Desk('wait', LARGE, { isGuarded: true });
    const chosen: number[] = [];
    for (let count = 0; count < 12; count += 1) {
      // Its key is wrong.
      desk.begin();
      desk.answer();
      const exchange = desk.begin();
      desk.answer();
      chosen.push(desk.goOn(exchange));
      desk.nowMs += 30;
    }
    expect(chosen).toEqual(chosen.map((_, nth) => ((chosen[0] ?? 0) + nth) % 3));
    expect(desk.asks).toBe(24);
  });

  it('has a turn for each of a burst', () => {
    const desk = new Desk('wait', LARGE, { isGuarded: true });
    const burst = Array.from({ length: 6 }, () => desk.begin());
    desk.answer();
    const chosen = burst.map((exchange) => desk.goOn(exchange));
    expect(desk.asks).toBe(6);
    expect([...chosen].sort()).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('takes no turn of a target whose breaker has opened since', () => {
    const desk = new Desk('wait', LARGE, { ports: [1, 2], isGuarded: true });
    const exchange = desk.begin();
    desk.answer();
    desk.openBreaker(0);
    expect(desk.goOn(exchange)).toBe(1);
    const another = desk.begin();
    desk.answer();
    expect(desk.goOn(another)).toBe(1);
  });

  it('uses up no turn where it is over the limit', () => {
    const desk = new Desk('wait', { limit: 1, window: '1h', key: 'clientIp' }, { isGuarded: true });
    const first = desk.begin();
    desk.answer();
    const before = desk.goOn(first);
    desk.begin();
    desk.answer();
    const next = desk.rig.ask(desk.nowMs);
    expect(next.targetIndex).toBe((before + 1) % 3);
  });

  it('gives up an ask without taking a probe for one', () => {
    const desk = new Desk('wait', LARGE, { ports: [1], isGuarded: true });
    desk.openBreaker(0);
    desk.nowMs += 60_001;
    const exchange = desk.begin();
    desk.client.abandon(exchange);
    desk.answer();
    const { ticket } = desk.rig.ask(desk.nowMs);
    expect(ticket).not.toBe(0);
  });
});
