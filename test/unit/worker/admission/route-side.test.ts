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
}

/** Name of the upstream that a caller gets. */
function splitter(weights: Readonly<Record<string, number>>, split: RouteConfig['split'] = {}) {
  const upstreams = Object.entries(weights).map(([name, weight]) => ({ name, weight }));
  const authenticate = split.key === 'consumer' ? { authenticate: ['keys'] } : {};
  const config = compileConfig(configOf({ upstreams, split, ...authenticate }));
  const route = defined(workerRoutesOf(config)[0], 'a route');
  const sides = defined(route.sides ?? undefined, 'its sides');
  return ({ clientIp = '192.0.2.7', consumer = '', fields = [] }: Caller): string => {
    const exchange = makeExchange({ clientIp, fields, route });
    exchange.identify({ consumer, claims: null, fields: [] });
    return sideOf(exchange, sides).upstream?.name ?? '';
  };
}

const CALLERS = Array.from({ length: 4000 }, (_, nth) => ({
  clientIp: `10.${nth % 7}.${Math.floor(nth / 250)}.${nth % 250}`,
  consumer: `user-${nth}`,
  fields: ['x-user', `u${nth}`, 'cookie', `a=b; uid=${nth}`],
}));

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
