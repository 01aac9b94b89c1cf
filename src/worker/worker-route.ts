/**
 * Routes and upstreams as a worker uses them: compiled once per configuration epoch, so that a
 * route without a feature pays nothing for it.
 *
 * Thread: worker.
 */
import { defined } from '../base/assert.js';
import type {
  CompiledConfig,
  CompiledLimiter,
  CompiledRoute,
  CompiledUpstream,
} from '../config/compiled-config.js';
import type { JwtAuthenticator } from '../filters/authentication/jwt-authenticator.js';

export interface WorkerRoute {
  readonly config: CompiledRoute;
  readonly upstream: CompiledUpstream;
  readonly authenticators: readonly JwtAuthenticator[];
  /** Every one of them is to have room. */
  readonly limiters: readonly CompiledLimiter[];
  /** Fields of the request that do not go on: removed ones, and those that are set anew. */
  readonly droppedFields: ReadonlySet<string>;
  /** Names and values in turn, as they are set. */
  readonly setFields: readonly string[];
}

/** All routes by index. */
export function compileWorkerRoutes(
  config: CompiledConfig,
  authenticators: readonly JwtAuthenticator[],
): WorkerRoute[] {
  return config.routes.map((route) => ({
    config: route,
    upstream: defined(config.upstreams[route.upstreamIndex], 'the upstream of a route'),
    authenticators: route.authenticators.map((index) =>
      defined(authenticators[index], 'the authenticator of a route'),
    ),
    limiters: route.limiterIndexes.map((index) =>
      defined(config.limiters[index], 'the limiter of a route'),
    ),
    droppedFields: new Set([
      ...route.rewrite.removeHeaders,
      ...route.rewrite.setHeaders.map(([name]) => name),
    ]),
    setFields: route.rewrite.setHeaders.flat(),
  }));
}

/** The path that the upstream gets. */
export function rewritePath(route: WorkerRoute, path: string): string {
  const prefix = route.config.rewrite.stripPrefix;
  if (prefix === '' || !path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest === '') return '/';
  return rest.startsWith('/') ? rest : path;
}
