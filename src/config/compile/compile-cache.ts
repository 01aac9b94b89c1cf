/**
 * Compiles what a route stores of its replies.
 *
 * Thread: any (pure). A part of compile-routes.ts; runs on a configuration that was checked.
 */
import { durationMs, sizeBytes } from '../../base/quantities.js';
import type { CompiledRouteCache } from '../compiled-replies.js';
import type { RouteCacheConfig, RouteConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** undefined: nothing is stored. */
export function compileRouteCache({ cache }: RouteConfig): CompiledRouteCache | undefined {
  if (cache === undefined || cache === false) return undefined;
  const config: RouteCacheConfig = cache === true ? {} : cache;
  const { cache: defaults } = DEFAULTS;
  return {
    key: compileKey(config.key),
    heuristicPercent: config.heuristic ?? defaults.heuristic,
    entryBytesMax: sizeBytes(config.maxEntryBytes ?? defaults.maxEntryBytes),
    staleIfErrorMs: durationMs(config.staleIfError ?? defaults.staleIfError),
    staleWhileRevalidateMs: durationMs(
      config.staleWhileRevalidate ?? defaults.staleWhileRevalidate,
    ),
    collapseMs: collapseMsOf(config.collapse),
    clientMayBypass: config.clientMayBypass ?? defaults.clientMayBypass,
    targeted: (config.targeted ?? defaults.targeted).map((name) => name.toLowerCase()),
    dropsCookies: config.dropCookies ?? defaults.dropCookies,
  };
}

function compileKey({
  query = DEFAULTS.cache.key.query,
  headers = [],
  consumer = DEFAULTS.cache.key.consumer,
}: NonNullable<RouteCacheConfig['key']> = {}): CompiledRouteCache['key'] {
  const isWord = query === 'all' || query === 'none';
  return {
    query: isWord ? query : [query].flat(),
    headers: headers.map((name) => name.toLowerCase()).sort(),
    consumer,
  };
}

/** 0: nobody waits. */
function collapseMsOf(collapse: RouteCacheConfig['collapse'] = true): number {
  if (collapse === false) return 0;
  const { timeout = DEFAULTS.cache.collapse.timeout } = collapse === true ? {} : collapse;
  return durationMs(timeout);
}
