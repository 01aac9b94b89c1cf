import { describe, expect, it } from 'vitest';
import { HalfSipHash } from '../../../src/base/half-sip-hash.js';
import { OUTCOME_FAILURE } from '../../../src/channel/coordinator-records.js';
import { COORDINATOR_LOST_MS } from '../../../src/channel/coordinator-status.js';
import { compileConfig } from '../../../src/config/compile-config.js';
import type { GatewayConfig, RateLimitConfig } from '../../../src/config/gateway-config.js';
import {
  ASK_ADMITTED,
  ASK_CLOSED,
  ASK_OPEN,
  ASK_PENDING,
  CoordinatorClient,
} from '../../../src/worker/coordinator-client.js';
import { Exchange } from '../../../src/worker/exchange.js';
import { TargetGrants } from '../../../src/worker/target-grants.js';
import { TargetPreference } from '../../../src/worker/target-preference.js';
import { compileWorkerRoutes } from '../../../src/worker/worker-route.js';
import { CoordinatorRig } from '../../support/coordinator-rig.js';

const LIMIT: RateLimitConfig = { limit: 5, window: '1h' };

/** A worker of one route over three targets, and the coordinator that it asks. */
class Desk {
  nowMs = 1000;
  readonly rig: CoordinatorRig;
  readonly client: CoordinatorClient;
  private readonly route;

  constructor(onCoordinatorLost: 'wait' | 'open' | 'closed', rateLimit = LIMIT) {
    const targets = [1, 2, 3].map((port) => ({ url: `http://127.0.0.1:${port}` as const }));
    const match = { path: '/*' };
    const config: GatewayConfig = {
      workers: 1,
      upstreams: { api: { targets, circuitBreaker: { failureThreshold: 1 } } },
      routes: [{ name: 'all', match, upstream: 'api', onCoordinatorLost, rateLimit }],
    };
    const compiled = compileConfig(config);
    this.rig = new CoordinatorRig(compiled);
    const [route] = compileWorkerRoutes(compiled, []);
    if (route === undefined) throw new Error('no route');
    this.route = route;
    const hash = new HalfSipHash(1, 2);
    const end = this.rig.worker(0);
    this.client = new CoordinatorClient(
      end,
      new TargetGrants([route.upstream.targetIndexes], end.targets, end.standings),
      hash,
      new TargetPreference(compiled, hash),
      () => this.nowMs,
      () => undefined,
    );
    this.rig.status.beat(this.nowMs);
  }

  ask(): [asked: number, targetIndex: number, fields: string] {
    const head = { index: 0, generation: 1, receivedMs: 0, bodyBytes: 0, isComplete: true };
    const exchange = new Exchange({ ...head, parts: [] }, () => undefined);
    exchange.route = this.route;
    const asked = this.client.askAdmission(exchange, this.route, this.nowMs);
    return [asked, exchange.targetIndex, exchange.limitFields];
  }

  openBreaker(targetIndex: number): void {
    this.rig.tell(this.nowMs, [targetIndex, 0, OUTCOME_FAILURE]);
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
    const desk = new Desk('wait', { limit: 99, window: '1h' });
    for (let turn = 0; turn < 150; turn += 1) {
      expect(desk.ask()[0]).toBe(ASK_PENDING);
      desk.answer();
    }
  });
});
