/**
 * Compiles the limits of one route.
 *
 * Thread: loader. A part of compile-routes.ts; runs on a configuration that was checked.
 */
import { createHash } from 'node:crypto';
import { pointerKeys } from '../../base/json-pointer.js';
import { durationMs } from '../../base/quantities.js';
import { defaultName } from '../check/check-rate-limits.js';
import type { CompiledLimiter, LimiterKey, ToldCost } from '../compiled-config.js';
import type {
  LimiterKeyName,
  RateLimitConfig,
  RouteConfig,
  ToldCostConfig,
} from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** A limiter that has no place yet. */
type LimiterFields = Omit<CompiledLimiter, 'index' | 'keySpace'>;

const HEADER_KEY_PREFIX = 'header:';

/** Limits on the number of requests in flight count by themselves beside a limit by time. */
const IN_FLIGHT_SUFFIX = '-inFlight';

/** The limiters of a route, in the order of the file, with indexes from `firstIndex` on. */
export function compileRateLimits(route: RouteConfig, firstIndex: number): CompiledLimiter[] {
  return rateLimitList(route.rateLimit)
    .flatMap((config, position) => compileRateLimit(config, route.name, position))
    .map((limiter, at) => {
      const index = firstIndex + at;
      return { index, keySpace: index, ...limiter };
    });
}

/** A route has one limit or a list of them. */
function rateLimitList<T extends object>(rateLimit: T | readonly T[] | undefined): T[] {
  if (rateLimit === undefined) return [];
  return Array.isArray(rateLimit) ? [...rateLimit] : [rateLimit as T];
}

function compileRateLimit(
  config: RateLimitConfig,
  routeName: string,
  position: number,
): LimiterFields[] {
  const name = config.name ?? defaultName(routeName, position);
  const mode = config.mode ?? DEFAULTS.rateLimit.mode;
  const keys = compileKeys(config.key ?? DEFAULTS.rateLimit.key);
  const { callers = DEFAULTS.rateLimit.callers } = config;
  const counted = callers === 'all' ? {} : { callers };
  const compiled: LimiterFields[] = [];
  const { limit, window, maxInFlight, cost = DEFAULTS.rateLimit.cost } = config;
  const told = typeof cost === 'object' ? toldCost(cost) : undefined;
  if (limit !== undefined) {
    compiled.push({
      name,
      algorithm:
        config.algorithm ?? (told === undefined ? DEFAULTS.rateLimit.algorithm : 'tokenBucket'),
      limit,
      windowMs: durationMs(window ?? ''),
      burst: config.burst ?? limit,
      cost: typeof cost === 'object' ? cost.reserve : cost,
      ...(told === undefined ? {} : { told }),
      keys,
      ...counted,
      mode,
    });
  }
  if (maxInFlight !== undefined) {
    compiled.push({
      name: limit === undefined ? name : `${name}${IN_FLIGHT_SUFFIX}`,
      algorithm: 'inFlight',
      limit: maxInFlight,
      windowMs: 0,
      burst: maxInFlight,
      cost: 1,
      keys,
      ...counted,
      mode,
    });
  }
  if ((config.scope ?? DEFAULTS.rateLimit.scope) !== 'cluster') return compiled;
  const onStoreLost = config.onStoreLost ?? DEFAULTS.rateLimit.onStoreLost;
  return compiled.map((limiter) => ({
    ...limiter,
    cluster: { digest: digestOf(routeName, limiter), onStoreLost },
  }));
}

/** Whatever changes what is counted gives another digest: gateways must agree on all of it. */
function digestOf(
  routeName: string,
  { name, algorithm, limit, windowMs, burst, cost, told, keys, callers }: LimiterFields,
): number[] {
  const amounts = [limit, windowMs, burst, cost];
  const parts = [routeName, name, algorithm, ...amounts, keys, callers ?? 'all', told];
  if (told === undefined) parts.pop();
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
  return [0, 4, 8].map((at) => digest.readInt32LE(at));
}

function toldCost({ reply, field }: ToldCostConfig): ToldCost {
  if (reply !== undefined) return { kind: 'member', keys: pointerKeys(reply) };
  return { kind: 'field', name: (field ?? '').toLowerCase() };
}

function compileKeys(key: LimiterKeyName | readonly LimiterKeyName[]): LimiterKey[] {
  const names = typeof key === 'string' ? [key] : key;
  return names.map((name) => {
    if (name === 'clientIp' || name === 'consumer' || name === 'route') return { kind: name };
    return { kind: 'header', header: name.slice(HEADER_KEY_PREFIX.length).toLowerCase() };
  });
}
