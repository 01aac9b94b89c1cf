/**
 * Compiles what concerns overload: adapted concurrency, priorities of routes.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { durationMs } from '../../base/quantities.js';
import type { CompiledAdaptiveConcurrency } from '../compiled-config.js';
import type { AdaptiveConcurrencyConfig, RouteConfig, RoutePriority } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** Thousandths of a limit that requests of a priority may use. */
const SHARES: Readonly<Record<RoutePriority, number>> = { low: 700, default: 900, high: 1000 };
const WHOLE = 1000;

export function compileAdaptiveConcurrency(
  config: AdaptiveConcurrencyConfig | undefined,
): CompiledAdaptiveConcurrency | null {
  if (config === undefined) return null;
  const { adaptiveConcurrency: defaults } = DEFAULTS.upstream;
  const { updateInterval, minRttInterval, ...rest } = { ...defaults, ...config };
  return {
    ...rest,
    updateIntervalMs: durationMs(updateInterval),
    minRttIntervalMs: durationMs(minRttInterval),
  };
}

/** By route. Where none is more important than another, all may use the whole. */
export function compileShares(routes: readonly RouteConfig[]): number[] {
  const priorities = routes.map(({ priority }) => priority ?? 'default');
  const isFlat = priorities.every((priority) => priority === priorities[0]);
  return priorities.map((priority) => (isFlat ? WHOLE : SHARES[priority]));
}
