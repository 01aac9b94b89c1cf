/**
 * The upstreams that the requests of a route may go to.
 *
 * Thread: any (pure).
 */
import type { SoundPart } from '../../schema/finding.js';
import type { FallbackConfig, RouteConfig } from '../gateway-config.js';

type UpstreamKeys = Pick<SoundPart<RouteConfig>, 'upstream' | 'upstreams' | 'mirror' | 'fallback'>;

/** By name, each once: `upstream`, or those that share its requests, fallbacks, who gets copies. */
export function upstreamsOfRoute(route: UpstreamKeys): string[] {
  const { upstream, upstreams = [], mirror, fallback } = route;
  const sides = upstreams.map((side) => side?.name);
  const names = [upstream, ...sides, ...(fallbackOf(fallback).upstreams ?? []), mirror?.upstream];
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** `fallback` of a route, where a list stands for its upstreams. */
export function fallbackOf(
  fallback: SoundPart<RouteConfig>['fallback'],
): Partial<SoundPart<FallbackConfig>> {
  if (fallback === undefined) return {};
  return isList(fallback) ? { upstreams: fallback } : fallback;
}

function isList<T, U>(value: readonly T[] | U): value is readonly T[] {
  return Array.isArray(value);
}
