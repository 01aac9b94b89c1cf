/**
 * Compiles routes and the limiters they use.
 *
 * Thread: acceptor. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { defined } from '../base/assert.js';
import type {
  CompiledAuthenticator,
  CompiledLimiter,
  CompiledRoute,
  CompiledUpstream,
  LimiterKey,
} from './compiled-config.js';
import { DEFAULTS } from './defaults.js';
import type { RateLimitConfig, RewriteConfig, RouteConfig } from './gateway-config.js';
import { parseDurationMs } from './quantities.js';

const HEADER_KEY_PREFIX = 'header:';

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
export function compileRoutes(
  configs: readonly RouteConfig[],
  references: RouteReferences,
): CompiledRoutes {
  const authenticatorIndexes = indexesByName(references.authenticators);
  const upstreamIndexes = indexesByName(references.upstreams);
  const limiters: CompiledLimiter[] = [];
  const routes = configs.map((config, index): CompiledRoute => {
    let limiterIndex = -1;
    if (config.rateLimit !== undefined) {
      limiterIndex = limiters.length;
      limiters.push(compileLimiter(config.rateLimit, config.name, limiterIndex));
    }
    return {
      index,
      name: config.name,
      path: config.match.path,
      methods: [...(config.match.methods ?? [])],
      upstreamIndex: defined(upstreamIndexes.get(config.upstream), 'a checked upstream'),
      timeoutMs:
        config.timeout === undefined
          ? 0
          : defined(parseDurationMs(config.timeout), 'a checked duration'),
      authenticators: (config.authenticate ?? []).map((name) =>
        defined(authenticatorIndexes.get(name), 'a checked authenticator'),
      ),
      limiterIndex,
      rewrite: compileRewrite(config.rewrite ?? {}),
    };
  });
  return { routes, limiters };
}

function indexesByName(
  named: readonly { readonly name: string; readonly index: number }[],
): ReadonlyMap<string, number> {
  return new Map(named.map(({ name, index }) => [name, index]));
}

function compileLimiter(config: RateLimitConfig, name: string, index: number): CompiledLimiter {
  return {
    index,
    name,
    algorithm: config.algorithm ?? DEFAULTS.rateLimit.algorithm,
    limit: config.limit,
    windowMs: defined(parseDurationMs(config.window), 'a checked duration'),
    burst: config.burst ?? config.limit,
    key: compileKey(config.key ?? DEFAULTS.rateLimit.key),
  };
}

function compileKey(key: NonNullable<RateLimitConfig['key']>): LimiterKey {
  if (key === 'clientIp' || key === 'consumer' || key === 'route') return { kind: key };
  return { kind: 'header', header: key.slice(HEADER_KEY_PREFIX.length).toLowerCase() };
}

function compileRewrite({
  stripPrefix = '',
  headers = {},
}: RewriteConfig): CompiledRoute['rewrite'] {
  return {
    stripPrefix,
    setHeaders: Object.entries(headers.set ?? {}).map(([name, value]) => {
      return [name.toLowerCase(), value] as const;
    }),
    removeHeaders: (headers.remove ?? []).map((name) => name.toLowerCase()),
  };
}
