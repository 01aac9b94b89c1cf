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
  /** Whether admissions may be had in advance: there are limits, and each is large. */
  readonly mayHoldKeyGrants: boolean;
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
      mayHoldKeyGrants: mayHoldKeyGrants(limiters),
      droppedFields: new Set([
        ...route.rewrite.removeHeaders,
        ...route.rewrite.setHeaders.map(([name]) => name),
      ]),
      setFields: route.rewrite.setHeaders.flat(),
    };
  });
}

/** One small limit among them, or one on requests in flight, has to be asked for each time. */
function mayHoldKeyGrants(limiters: readonly CompiledLimiter[]): boolean {
  const isLarge = ({ algorithm, limit, cost }: CompiledLimiter): boolean =>
    algorithm !== 'inFlight' && limit / cost >= KEY_GRANT_LIMIT_MIN;
  return limiters.length > 0 && limiters.every(isLarge);
}

/** The path that the upstream gets. */
export function rewritePath(route: WorkerRoute, path: string): string {
  const prefix = route.config.rewrite.stripPrefix;
  if (prefix === '' || !path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest === '') return '/';
  return rest.startsWith('/') ? rest : path;
}
