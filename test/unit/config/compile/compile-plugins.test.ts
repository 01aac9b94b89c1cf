/**
 * What routes have of plugins.
 */
import { describe, expect, it } from 'vitest';
import { routePlugins } from '../../../../src/config/compile/compile-plugins.js';
import type { GatewayConfig, RouteConfig } from '../../../../src/config/gateway-config.js';

const aRoute = (plugins?: readonly string[]): RouteConfig => ({
  ...{ name: 'one', match: { path: '/one' }, upstream: 'api' },
  ...(plugins !== undefined && { plugins }),
});

function compiled(...routes: RouteConfig[]): unknown[] {
  const plugins = [{ name: 'a' }, { name: 'b', everyRoute: true }];
  return routes.map(routePlugins({ upstreams: {}, routes, plugins } as unknown as GatewayConfig));
}

describe('plugins of a route', () => {
  it('are those that it names, else those of every route', () => {
    expect(compiled(aRoute(['b', 'a']), aRoute())).toEqual([
      { plugins: [1, 0], hasOwnPlugins: true },
      { plugins: [1] },
    ]);
  });

  it('are its own where some route does without one of them', () => {
    expect(compiled(aRoute(), aRoute([]))).toEqual([{ plugins: [1], hasOwnPlugins: true }, {}]);
    expect(compiled(aRoute(['a']), aRoute(['a']))).toEqual([{ plugins: [0] }, { plugins: [0] }]);
  });
});
