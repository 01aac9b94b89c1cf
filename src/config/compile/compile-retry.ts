/**
 * Compiles retries and hedging.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { GRPC_STATUS_NAMES } from '../../base/grpc-status.js';
import { durationMs } from '../../base/quantities.js';
import type { CompiledRetry } from '../compiled-config.js';
import type { HedgeConfig, RetryCondition, RetryConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

const GATEWAY_ERRORS: readonly number[] = [502, 503, 504];

/** Without a `retry` of its own an upstream with one target has none: there is no other target. */
export function compileRetry(config: RetryConfig | undefined, targetCount: number): CompiledRetry {
  const defaults = DEFAULTS.upstream.retry;
  const attemptsByDefault = config === undefined && targetCount === 1 ? 0 : defaults.attempts;
  const { attempts = attemptsByDefault, backOff = {} } = config ?? {};
  const on: readonly RetryCondition[] = config?.on ?? defaults.on;
  const statuses = new Set(on.filter((one) => typeof one === 'number'));
  if (on.includes('gatewayError')) for (const status of GATEWAY_ERRORS) statuses.add(status);
  return {
    attempts,
    conditions: {
      connectFailure: on.includes('connectFailure'),
      reset: on.includes('reset'),
      timeout: on.includes('timeout'),
      statuses: [...statuses].sort((one, other) => one - other),
      grpcStatuses: (config?.grpcStatus ?? [])
        .map((name) => GRPC_STATUS_NAMES.indexOf(name))
        .sort((one, other) => one - other),
    },
    budgetPercent: config?.budgetPercent ?? defaults.budgetPercent,
    minConcurrency: config?.minConcurrency ?? defaults.minConcurrency,
    backOff: {
      baseMs: durationMs(backOff.base ?? defaults.backOff.base),
      maxMs: durationMs(backOff.max ?? defaults.backOff.max),
    },
  };
}

/** -1: no hedging. */
export function compileHedge(config: HedgeConfig | undefined): number {
  return config === undefined ? -1 : durationMs(config.after);
}
