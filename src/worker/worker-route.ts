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

import { policyField } from './rate-limit-fields.js';

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
}

/** All routes, in the order of the configuration. */
export function compileWorkerRoutes(
  config: CompiledConfig,
  authenticators: readonly JwtAuthenticator[],
): WorkerRoute[] {
  const limitersByRow = byRow(config.limiters);
  const upstreams = byRow(config.upstreams);
  return config.routes.map((route) => {
    const limiters = route.limiterIndexes.map((index) =>
      defined(limitersByRow[index], 'the limiter of a route'),
    );
    return {
      config: route,
      upstream: defined(upstreams[route.upstreamIndex], 'the upstream of a route'),
      authenticators: route.authenticators.map((index) =>
        defined(authenticators[index], 'the authenticator of a route'),
      ),
      limiters,
      policyField: policyField(limiters),
      grantedLimiter: grantedLimiter(limiters),
      droppedFields: new Set([
        ...route.rewrite.removeHeaders,
        ...route.rewrite.setHeaders.map(([name]) => name),
      ]),
      setFields: route.rewrite.setHeaders.flat(),
    };
  });
}

/** Several limits are asked for each time: no worker could tell what all of them have left. */
function grantedLimiter(limiters: readonly CompiledLimiter[]): CompiledLimiter | null {
  const [only] = limiters;
  if (only === undefined || limiters.length > 1 || only.algorithm === 'inFlight') return null;
  return only.limit / only.cost >= KEY_GRANT_LIMIT_MIN ? only : null;
}

/** The path that the upstream gets. */
export function rewritePath(route: WorkerRoute, path: string): string {
  const prefix = route.config.rewrite.stripPrefix;
  if (prefix === '' || !path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest === '') return '/';
  return rest.startsWith('/') ? rest : path;
}
