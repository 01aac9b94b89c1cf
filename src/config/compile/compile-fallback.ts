/**
 * Compiles where requests of a route go after its upstream has failed.
 *
 * Thread: any (pure). A part of compile-routes.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import type { CompiledFallback } from '../compiled-fallback.js';
import type { FallbackConfig, RouteConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';
import { compileFailureOn } from './compile-targets.js';

export function compileFallback(
  fallback: NonNullable<RouteConfig['fallback']>,
  upstreamIndexes: ReadonlyMap<string, number>,
): CompiledFallback {
  const { upstreams, on = DEFAULTS.fallback.on }: FallbackConfig =
    'upstreams' in fallback ? fallback : { upstreams: fallback };
  return {
    upstreams: upstreams.map((name) => ({
      upstreamIndex: defined(upstreamIndexes.get(name), 'a checked upstream'),
      name,
    })),
    on: compileFailureOn(on),
  };
}
