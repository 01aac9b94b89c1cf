/**
 * Compiles routes and the limiters they use.
 *
 * Thread: acceptor. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { defined } from '../base/assert.js';
import type { CompiledAuthenticator } from '../filters/authentication/options.js';
import { compileAuthorization } from './compile-authenticators.js';
import { compileFilters, compileRewrite } from './compile-filters.js';
import { compileRateLimits } from './compile-rate-limits.js';
import type { CompiledLimiter, CompiledRoute, CompiledUpstream } from './compiled-config.js';
import { DEFAULTS } from './defaults.js';
import type { GatewayConfig } from './gateway-config.js';
import { parseDurationMs } from './quantities.js';

/** What routes refer to by name. */
export interface RouteReferences {
  readonly authenticators: readonly CompiledAuthenticator[];
  readonly upstreams: readonly CompiledUpstream[];
}

/** Routes and their limiters, which refer to each other by index. */
export interface CompiledRoutes {
  readonly routes: readonly CompiledRoute[];
  readonly limiters: readonly CompiledLimiter[];
}

/** Compiles all routes, in the order of the file. */
export function compileRoutes(gateway: GatewayConfig, references: RouteReferences): CompiledRoutes {
  const authenticatorIndexes = indexesByName(references.authenticators);
  const upstreamIndexes = indexesByName(references.upstreams);
  const limiters: CompiledLimiter[] = [];
  const routes = gateway.routes.map((config, index): CompiledRoute => {
    const ofRoute = compileRateLimits(config, limiters.length);
    limiters.push(...ofRoute);
    return {
      index,
      name: config.name,
      path: config.match.path,
      methods: [...(config.match.methods ?? [])],
      upstreamIndex:
        config.upstream === undefined
          ? -1
          : defined(upstreamIndexes.get(config.upstream), 'a checked upstream'),
      timeoutMs:
        config.timeout === undefined
          ? 0
          : defined(parseDurationMs(config.timeout), 'a checked duration'),
      authenticators: (config.authenticate ?? []).map((name) =>
        defined(authenticatorIndexes.get(name), 'a checked authenticator'),
      ),
      tokenEndpoint: config.tokenService ?? null,
      authorization: compileAuthorization(config.authorize),
      limiterIndexes: ofRoute.filter(({ mode }) => mode !== 'off').map((one) => one.index),
      onCoordinatorLost: config.onCoordinatorLost ?? DEFAULTS.onCoordinatorLost,
      rewrite: compileRewrite(config.rewrite ?? {}),
      filters: compileFilters(config, gateway),
    };
  });
  return { routes, limiters };
}

function indexesByName(
  named: readonly { readonly name: string; readonly index: number }[],
): ReadonlyMap<string, number> {
  return new Map(named.map(({ name, index }) => [name, index]));
}
