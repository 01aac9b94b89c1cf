/**
 * Routes and upstreams as a worker uses them: compiled once per configuration epoch, so that a
 * route without a feature pays nothing for it.
 *
 * Thread: worker.
 */
import { defined } from '../base/assert.js';
import { byRow } from '../base/rows.js';
import { KEY_GRANT_LIMIT_MIN } from '../channel/coordinator-records.js';
import type {
  CompiledConfig,
  CompiledLimiter,
  CompiledRoute,
  CompiledUpstream,
} from '../config/compiled-config.js';
import type { JwtAuthenticator } from '../filters/authentication/jwt-authenticator.js';
import type { RoutePattern } from '../routing/route-table.js';
import { stripPathPrefix } from '../routing/strip-prefix.js';
import { policyField } from './rate-limit-fields.js';
import { compileRouteFilters, type LoadedFilters, type RouteFilters } from './route-filters.js';

export interface WorkerRoute {
  readonly config: CompiledRoute;
  readonly upstream: CompiledUpstream;
  readonly authenticators: readonly JwtAuthenticator[];
  /** Every one of them is to have room. */
  readonly limiters: readonly CompiledLimiter[];
  /** Empty, or the RateLimit-Policy field of replies, beginning with CRLF. */
  readonly policyField: string;
  /** The only limit, when it may be granted in advance. */
  readonly grantedLimiter: CompiledLimiter | null;
  /** Fields of the request that do not go on: removed ones, and those that are set anew. */
  readonly droppedFields: ReadonlySet<string>;
  /** Names and values in turn, as they are set. */
  readonly setFields: readonly string[];
  readonly filters: RouteFilters;
}

/** All routes, in the order of the configuration. */
export function compileWorkerRoutes(
  config: CompiledConfig,
  authenticators: readonly JwtAuthenticator[],
  loaded?: LoadedFilters,
): WorkerRoute[] {
  const limitersByRow = byRow(config.limiters);
  const upstreams = byRow(config.upstreams);
  return config.routes.map((route) => {
    const limiters = route.limiterIndexes.map((index) =>
      defined(limitersByRow[index], 'the limiter of a route'),
    );
    const filters = compileRouteFilters(route, loaded);
    return {
      config: route,
      upstream: defined(
        // One that answers by itself never gets as far as its upstream: any will do.
        route.upstreamIndex === -1 ? config.upstreams[0] : upstreams[route.upstreamIndex],
        'the upstream of a route',
      ),
      filters,
      authenticators: route.authenticators.map((index) =>
        defined(authenticators[index], 'the authenticator of a route'),
      ),
      limiters,
      policyField: policyField(limiters),
      grantedLimiter: grantedLimiter(limiters),
      droppedFields: new Set([
        ...route.rewrite.removeHeaders,
        ...route.rewrite.setHeaders.map(([name]) => name),
        ...filters.droppedFields,
      ]),
      setFields: route.rewrite.setHeaders.flat(),
    };
  });
}

/** How the route table knows a route: by its path, and by the one without the default version. */
export function routePatterns(route: CompiledRoute): RoutePattern[] {
  const { index, path, aliasPath, methods, authenticators, filters, version = '' } = route;
  const isGuarded = authenticators.length > 0 || filters.ipFilter !== undefined;
  const pattern = { index, path, methods, isGuarded, version };
  return aliasPath === undefined ? [pattern] : [pattern, { ...pattern, path: aliasPath }];
}

/** Several limits are asked for each time: no worker could tell what all of them have left. */
function grantedLimiter(limiters: readonly CompiledLimiter[]): CompiledLimiter | null {
  const [only] = limiters;
  if (only === undefined || limiters.length > 1 || only.algorithm === 'inFlight') return null;
  return only.limit / only.cost >= KEY_GRANT_LIMIT_MIN ? only : null;
}

/** The path that the upstream gets. */
export function rewritePath(route: WorkerRoute, path: string): string {
  return stripPathPrefix(route.config.rewrite.stripPrefix, path);
}
