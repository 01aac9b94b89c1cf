/** Which of several upstreams gets a request. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import type { GatewayConfig, RouteConfig } from '../../../../src/config/gateway-config.js';
import { sideOf } from '../../../../src/worker/admission/route-side.js';
import { compileConfig } from '../../../support/compile-config.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { workerRoutesOf } from '../../../support/served-config.js';

const upstreamAt = (port: number) => ({ targets: [{ url: `http://10.0.0.1:${port}` }] });

function configOf(route: Partial<RouteConfig>): GatewayConfig {
  return {
    authenticators: { keys: { type: 'apiKey', keys: [{ id: 'a', sha256: 'a'.repeat(64) }] } },
    upstreams: { v1: upstreamAt(1), v2: upstreamAt(2), v3: upstreamAt(3) },
    routes: [{ name: 'all', match: { path: '/*' }, ...route }],
  };
}

interface Caller {
  readonly clientIp?: string;
  readonly consumer?: string;
  readonly fields?: readonly string[];
  readonly requestId?: string;
}

/** Name of the upstream that a caller gets. */
function splitter(
  weights: Readonly<Record<string, number | undefined>>,
  split: RouteConfig['split'] = {},
  share = 0,
) {
  const upstreams = Object.entries(weights).map(([name, weight]) =>
    weight === undefined ? { name } : { name, weight },
  );
  const authenticate = split.key === 'consumer' ? { authenticate: ['keys'] } : {};
  const config = compileConfig(configOf({ upstreams, split, ...authenticate }));
  const route = defined(workerRoutesOf(config)[0], 'a route');
  const sides = defined(route.sides ?? undefined, 'its sides');
  return ({
    clientIp = '192.0.2.7',
    consumer = '',
    fields = [],
    requestId = 'id-1',
  }: Caller): string => {
    const exchange = makeExchange({ clientIp, fields, route, requestId });
    exchange.identify({ consumer, claims: null, fields: [] });
    const { upstream, answer } = sideOf(exchange, sides, { shareOf: () => share });
    return upstream?.name ?? answer.kind;
  };
}

const CALLERS = Array.from({ length: 4000 }, (_, nth) => ({
  clientIp: `10.${nth % 7}.${Math.floor(nth / 250)}.${nth % 250}`,
  consumer: `user-${nth}`,
  fields: ['x-user', `u${nth}`, 'cookie', `a=b; uid=${nth}`],
}));

describe('requests', () => {
  it('are placed one by one where the key says so', () => {
    const side = splitter({ v1: 50, v2: 50 }, { key: 'request' });
    const sides = ['r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7', 'r8'].map((requestId) =>
      side({ requestId }),
    );
    expect(new Set(sides)).toEqual(new Set(['v1', 'v2']));
    expect(side({ requestId: 'r1' })).toBe(sides[0]);
  });

  it('are refused for the part that no upstream gets', () => {
    const side = splitter(
      { v1: 60, v2: 0 },
      { key: 'header:X-User', refuse: { weight: 40, status: 503 } },
    );
    const refused = CALLERS.filter((caller) => side(caller) === 'fixed').length;
    expect(refused / CALLERS.length).toBeCloseTo(0.4, 1);
    expect(CALLERS.some((caller) => side(caller) === 'v1')).toBe(true);
    expect(CALLERS.some((caller) => side(caller) === 'v2')).toBe(false);
  });

  it.each([{ ramp: { over: '1h' } }, { guard: { errors: '2x' } }] as const)(
    'are not refused beside %j',
    (split) => {
      const route = {
        upstreams: [{ name: 'v1' }, { name: 'v2' }],
        split: { ...split, refuse: { weight: 1 } },
      };
      expect(() => compileConfig(configOf(route))).toThrow(/refuse/);
    },
  );
});

describe('the parts', () => {
  it.each(['clientIp', 'consumer', 'header:X-User', 'cookie:uid'] as const)(
    'are as large as the weights say, by %s',
    (key) => {
      const side = splitter({ v1: 90, v2: 9, v3: 1 }, { key });
      const counts = { v1: 0, v2: 0, v3: 0 };
      for (const caller of CALLERS) counts[side(caller) as 'v1'] += 1;
      // The hash is the same in every run: these are no chances.
      expect(counts.v1 / CALLERS.length).toBeCloseTo(0.9, 1);
      expect(counts.v2 / CALLERS.length).toBeCloseTo(0.09, 1);
      expect(counts.v3).toBeGreaterThan(0);
    },
  );

  it('with no weight get nobody', () => {
    const [none, all] = [splitter({ v1: 0, v2: 7 }), splitter({ v1: 5, v2: 0 })];
    for (const caller of CALLERS) expect([none(caller), all(caller)]).toEqual(['v2', 'v1']);
  });

  it('that grow keep the callers that they have', () => {
    const steps = [1, 5, 20, 50, 99].map((weight) => splitter({ v1: 100 - weight, v2: weight }));
    for (const caller of CALLERS) {
      const sides = steps.map((side) => side(caller));
      expect(sides).toEqual([...sides].sort());
    }
  });
});

describe('a rollout', () => {
  const ramp = { from: 1, to: 50, over: '1h' } as const;
  const rolled = (share: number, split: RouteConfig['split'] = {}) =>
    splitter({ v1: undefined, v2: undefined }, { ramp, ...split }, share);

  it('gives the new side what the coordinator says, and keeps those whom it has', () => {
    const steps = [0, 100, 2500, 5000, 10_000].map((share) => rolled(share));
    const counts = steps.map(
      (side) => CALLERS.filter((caller) => side(caller) === 'v2').length / CALLERS.length,
    );
    expect(counts[0]).toBe(0);
    expect(counts[1]).toBeGreaterThan(0.005);
    expect(counts[1]).toBeLessThan(0.02);
    expect(counts[2]).toBeCloseTo(0.25, 1);
    expect(counts[3]).toBeCloseTo(0.5, 1);
    expect(counts[4]).toBe(1);
    for (const caller of CALLERS) {
      const sides = steps.map((side) => side(caller));
      expect(sides).toEqual([...sides].sort());
    }
  });

  it('measures who was put on a side, and not who chose it', () => {
    const config = compileConfig(
      configOf({ upstreams: [{ name: 'v1' }, { name: 'v2' }], split: { ramp, header: 'x-side' } }),
    );
    const route = defined(workerRoutesOf(config)[0], 'a route');
    const sides = defined(route.sides ?? undefined, 'its sides');
    const taken = (share: number, fields: readonly string[]) =>
      sideOf(makeExchange({ route, fields }), sides, { shareOf: () => share });
    expect(taken(0, []).measured).toEqual({ rollout: 0, side: 0 });
    expect(taken(10_000, []).measured).toEqual({ rollout: 0, side: 1 });
    const chosen = taken(0, ['x-side', 'v2']);
    expect(chosen.upstream?.name).toBe('v2');
    expect(chosen.measured).toBeNull();
  });

  it('is compiled from percents and factors', () => {
    const upstreams = [{ name: 'v1' }, { name: 'v2', weight: 3 }];
    const guard = { errors: '2x', p99: '1.5x' } as const;
    const both = configOf({ upstreams: [{ name: 'v1' }, { name: 'v2' }], split: { ramp, guard } });
    expect(compileConfig(both).rollouts).toEqual([
      {
        ...{ index: 0, route: 'all', oldSide: 'v1', newSide: 'v2' },
        ...{ fromShare: 100, toShare: 5000, overMs: 3_600_000 },
        guard: { errorsFactor: 2, p99Factor: 1.5, minRequests: 200 },
      },
    ]);
    const guarded = compileConfig(configOf({ upstreams, split: { guard: { errors: '3x' } } }));
    expect(guarded.rollouts).toMatchObject([
      { fromShare: 7500, toShare: 7500, overMs: 0, guard: { errorsFactor: 3, p99Factor: 0 } },
    ]);
  });

  it.each([
    [[{ name: 'v1' }], { ramp }, 'needs two upstreams'],
    [[{ name: 'v1' }, { name: 'v2' }, { name: 'v3' }], { ramp }, 'needs two upstreams'],
    [[{ name: 'v1' }, { name: 'v2', weight: 2 }], { ramp }, 'leave it out'],
    [[{ name: 'v1' }, { name: 'v2' }], { ramp: { ...ramp, to: 0 } }, 'to must be at least from'],
    [[{ name: 'v1' }, { name: 'v2' }], { guard: {} }, 'needs errors, p99 or both'],
    [[{ name: 'v1' }, { name: 'v2' }], { guard: { errors: '0.5x' } }, 'how many times'],
  ] as const)('%j with %j is refused', (upstreams, split, said) => {
    expect(() => compileConfig(configOf({ upstreams, split }))).toThrow(said);
  });
});

describe('a caller', () => {
  it('stays on his side wherever else he differs', () => {
    const side = splitter({ v1: 1, v2: 1 }, { key: 'header:x-user' });
    for (const { fields, ...caller } of CALLERS.slice(0, 200)) {
      const others = [...fields, 'x-other', caller.clientIp];
      expect(side({ fields: others, clientIp: '203.0.113.9' })).toBe(side({ fields, ...caller }));
    }
  });

  it('without a value goes by address, and IPv6 by network', () => {
    const by = splitter({ v1: 1, v2: 1 }, { key: 'cookie:uid' });
    const byAddress = splitter({ v1: 1, v2: 1 }, { key: 'clientIp' });
    for (const { clientIp } of CALLERS.slice(0, 200)) {
      expect(by({ clientIp })).toBe(byAddress({ clientIp }));
    }
    const networks = Array.from({ length: 50 }, (_, nth) => `2001:db8:0:${nth}::`);
    for (const network of networks) {
      expect(byAddress({ clientIp: `${network}1` })).toBe(byAddress({ clientIp: `${network}2` }));
    }
  });

  it('may choose where the route lets clients choose', () => {
    const side = splitter({ v1: 1000, v2: 0 }, { header: 'X-Side', cookie: 'side' });
    expect(side({ fields: ['x-side', 'v2'] })).toBe('v2');
    expect(side({ fields: ['cookie', 'a=1; side=v2'] })).toBe('v2');
    expect(side({ fields: ['x-side', 'v1', 'cookie', 'side=v2'] })).toBe('v1');
    expect(side({ fields: ['x-side', 'v3', 'cookie', 'side=v2'] })).toBe('v2');
    expect(side({ fields: ['x-side', 'V2'] })).toBe('v1');
    const closed = splitter({ v1: 1000, v2: 0 });
    expect(closed({ fields: ['x-side', 'v2', 'cookie', 'side=v2'] })).toBe('v1');
  });
});

describe('a route with sides', () => {
  it('differs from them in its upstream only, and shares its limits with them', () => {
    const rateLimit = { limit: 5, window: '1m' as const };
    const upstreams = [{ name: 'v1' }, { name: 'v2', weight: 3 }];
    const config = compileConfig(configOf({ upstreams, rateLimit }));
    const route = defined(workerRoutesOf(config)[0], 'a route');
    const { split, routes } = defined(route.sides ?? undefined, 'its sides');
    expect(split).toMatchObject({ total: 4, key: { kind: 'clientIp' } });
    expect(routes.map(({ upstream }) => upstream?.name)).toEqual(['v1', 'v2']);
    for (const side of routes) {
      expect(side.sides).toBeNull();
      expect(side.config.index).toBe(route.config.index);
      expect(side.limiters.map(({ index }) => index)).toEqual(
        route.limiters.map(({ index }) => index),
      );
    }
  });

  it.each([
    [{ upstream: 'v1', upstreams: [{ name: 'v2' }] }, 'a route has one of upstream, upstreams'],
    [{ upstreams: [{ name: 'v9' }] }, 'unknown upstream "v9"'],
    [{ upstreams: [{ name: 'v1' }, { name: 'v1' }] }, 'upstream "v1" has a part already'],
    [{ upstreams: [{ name: 'v1', weight: 0 }] }, 'needs a weight above 0'],
    [{ upstreams: [] }, 'upstreams'],
    [{ upstream: 'v1', split: { key: 'clientIp' as const } }, 'split: needs upstreams'],
    [{ upstreams: [{ name: 'v1' }], split: { key: 'consumer' as const } }, 'needs authenticate'],
    [{ upstreams: [{ name: 'v1' }], cache: true }, 'needs one upstream'],
  ])('%j is refused', (route, said) => {
    expect(() => compileConfig(configOf(route))).toThrow(ConfigError);
    expect(() => compileConfig(configOf(route))).toThrow(said);
  });
});
