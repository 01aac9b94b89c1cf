/**
 * What a test expects of a request, and whether an explanation agrees.
 *
 * Thread: any (pure).
 */
import type { Explanation } from './explanation.js';

/** Every field that is present must agree. */
export interface Expected {
  /** Name of the route; empty: no route takes the request. */
  readonly route?: string;
  readonly upstream?: string;
  /** Path and query as the target gets them. */
  readonly path?: string;
  /** host:port. */
  readonly target?: string;
  /** Status of the reply when the gateway itself answers; 0: the request is forwarded. */
  readonly status?: number;
  /** Code of the problem when the gateway itself answers; empty: the request is forwarded. */
  readonly code?: string;
  /** What a client of gRPC is refused with; empty: it is not, or it does not speak gRPC. */
  readonly grpcStatus?: string;
  readonly consumer?: string;
  /** Names of authenticators, in order. */
  readonly authenticate?: readonly string[];
  /** Names of limits, in order. */
  readonly limits?: readonly string[];
  /** What the cache does; `none`: the route has no cache, or the request is refused before. */
  readonly cache?: ExpectedCache;
}

export const EXPECTED_CACHE = ['hit', 'stale', 'validate', 'miss', 'bypass', 'none'] as const;
export type ExpectedCache = (typeof EXPECTED_CACHE)[number];

/** One line for each field that differs. */
export function differencesFrom(expected: Expected, explanation: Explanation): string[] {
  const found = foundIn(explanation);
  const differences: string[] = [];
  for (const [field, want] of Object.entries(expected)) {
    const have = found[field as keyof Expected];
    if (JSON.stringify(want) === JSON.stringify(have)) continue;
    const why =
      field === 'cache' && explanation.cache !== null ? ` (${explanation.cache.why})` : '';
    differences.push(`${field}: expected ${shown(want)}, found ${shown(have)}${why}`);
  }
  return differences;
}

function foundIn(explanation: Explanation): Required<Expected> {
  const { outcome, route, upstream, authenticate, limits, request, cache } = explanation;
  const isForwarded = outcome.kind === 'forwarded';
  return {
    route,
    upstream,
    path: isForwarded ? outcome.upstreamTarget : '',
    target: isForwarded ? outcome.target : '',
    status: isForwarded ? 0 : outcome.status,
    code: outcome.kind === 'refused' ? outcome.code : '',
    grpcStatus: (outcome.kind === 'forwarded' ? undefined : outcome.grpcStatus) ?? '',
    consumer: request.consumer,
    authenticate,
    limits: limits.map(({ limit }) => limit),
    cache: cache?.result ?? 'none',
  };
}

function shown(value: unknown): string {
  if (value === '') return 'none';
  if (value === 0) return '0 (forwarded)';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
