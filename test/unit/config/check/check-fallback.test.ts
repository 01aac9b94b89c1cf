/** Which upstreams get what the first of a route has failed at. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import type { GatewayConfig, RouteConfig } from '../../../../src/config/gateway-config.js';
import { compileConfig } from '../../../support/compile-config.js';
import { workerRoutesOf } from '../../../support/served-config.js';

const upstreamAt = (port: number) => ({
  targets: [{ url: `http://10.0.0.1:${port}` }],
  protocol: 'h2c' as const,
});

function configOf(route: Partial<RouteConfig>): GatewayConfig {
  return {
    authenticators: { keys: { type: 'apiKey', keys: [{ id: 'a', sha256: 'a'.repeat(64) }] } },
    upstreams: { one: upstreamAt(1), two: upstreamAt(2), three: upstreamAt(3) },
    routes: [
      { name: 'all', match: { path: '/*' }, upstream: 'one', ...route },
      { name: 'kept', match: { path: '/kept' }, upstream: 'three', authenticate: ['keys'] },
    ],
  };
}

describe('fallback', () => {
  it('is compiled with what usually counts as a failure', () => {
    expect(compileConfig(configOf({ fallback: ['three', 'two'] })).routes[0]?.fallback).toEqual({
      upstreams: [
        { upstreamIndex: 2, name: 'three' },
        { upstreamIndex: 1, name: 'two' },
      ],
      on: { connectFailure: true, timeout: true, reset: true, status5xx: true, statuses: [429] },
    });
    const { fallback } = defined(
      compileConfig(configOf({ fallback: { upstreams: ['two'], on: [503, 429] } })).routes[0],
      'a route',
    );
    expect(fallback?.on).toEqual({
      ...{ connectFailure: false, timeout: false, reset: false, status5xx: false },
      statuses: [429, 503],
    });
  });

  it('makes one route of each upstream, in their order, which asks for its target late', () => {
    const config = compileConfig(configOf({ fallback: ['two', 'three'] }));
    const route = defined(workerRoutesOf(config)[0], 'a route');
    expect(route.admission.upstream).toBeNull();
    expect(route.targetAdmission.upstream?.name).toBe('one');
    const second = defined(route.fallback ?? undefined, 'a fallback');
    const third = defined(second.route.fallback ?? undefined, 'another fallback');
    expect([second.name, second.position]).toEqual(['two', 0]);
    expect([third.name, third.position]).toEqual(['three', 1]);
    expect([second, third].map((one) => one.route.targetAdmission.upstream?.name)).toEqual([
      'two',
      'three',
    ]);
    expect(third.route.fallback).toBeNull();
  });

  it('keeps credentials and claims that belong to other routes from all of its upstreams', () => {
    const hides = [{ kind: 'query', name: 'key' }] as const;
    const config = compileConfig(configOf({ fallback: ['two', 'three'] }));
    const [route] = workerRoutesOf(config, { ownedFields: ['x-user'], hides });
    const second = route?.fallback?.route;
    const third = second?.fallback?.route;
    expect(route?.hides, 'hidden before the first is asked').not.toBeNull();
    const drops = (one: typeof route) => one?.droppedFields.has('x-user');
    expect([drops(route), drops(second), drops(third)]).toEqual([false, false, true]);
    const [alone] = workerRoutesOf(compileConfig(configOf({})), { hides });
    expect(alone?.hides).toBeNull();
  });

  const one = { upstreams: [{ name: 'one' }, { name: 'two' }] };
  it.each<[Partial<RouteConfig>, string]>([
    [{ fallback: ['tow'] }, 'unknown upstream "tow"'],
    [{ fallback: ['two', 'one'] }, 'is the one that has failed by then'],
    [{ fallback: ['two', 'two'] }, 'routes[0].fallback'],
    [{ fallback: [] }, 'routes[0].fallback'],
    [{ fallback: { upstreams: ['tow'] } }, 'routes[0].fallback.upstreams[0]'],
    [{ fallback: { upstreams: ['two'], on: [200] } }, 'routes[0].fallback.on[0]'],
    [{ fallback: ['two'], grpcWeb: true }, 'cannot stand beside grpcWeb'],
    [{ fallback: ['two'], match: { grpc: { service: 'a.B' } } }, 'cannot stand beside match.grpc'],
  ])('%j is refused', (route, said) => {
    expect(() => compileConfig(configOf(route))).toThrow(said);
  });

  it('stands beside no split, and not where the gateway itself answers', () => {
    const { upstream: _, ...rest } = defined(configOf({}).routes[0], 'a route');
    const given = (route: Partial<RouteConfig>) => ({
      ...configOf({}),
      routes: [{ ...rest, fallback: ['three'], ...route }],
    });
    expect(() => compileConfig(given(one))).toThrow('cannot stand beside upstreams');
    expect(() => compileConfig(given({ respond: { status: 200 } }))).toThrow('needs upstream');
  });
});
