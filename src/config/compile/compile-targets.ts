/**
 * Compiles what concerns targets: balancing, breaker, health.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import { durationMs } from '../../base/quantities.js';
import type {
  CompiledBalancing,
  CompiledBreaker,
  CompiledHealthCheck,
  CompiledOutlierDetection,
  HashSource,
} from '../compiled-config.js';
import type { FailureKinds } from '../compiled-fallback.js';
import type {
  CircuitBreakerConfig,
  FailureKind,
  FailureRateConfig,
  HealthCheckConfig,
  LoadBalancingConfig,
  OutlierDetectionConfig,
} from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

const { upstream: defaults } = DEFAULTS;

export function compileBalancing(config: LoadBalancingConfig): CompiledBalancing {
  const { loadBalancing: fallback } = defaults;
  const { choices = fallback.choices, stickyCookie } = config;
  const maxAge = stickyCookie?.maxAge;
  return {
    policy: config.policy ?? fallback.policy,
    choices: choices === 'all' ? 0 : choices,
    hashOn: compileHashSource(config.hashOn ?? fallback.hashOn),
    slowStartMs: durationMs(config.slowStart ?? fallback.slowStart),
    panicThreshold: config.panicThreshold ?? fallback.panicThreshold,
    stickyCookie:
      stickyCookie === undefined
        ? null
        : {
            name: stickyCookie.name,
            maxAgeSeconds: maxAge === undefined ? 0 : Math.ceil(durationMs(maxAge) / 1000),
            secret: stickyCookie.secret ?? '',
          },
  };
}

function compileHashSource(source: NonNullable<LoadBalancingConfig['hashOn']>): HashSource {
  if (source === 'clientIp' || source === 'path') return { kind: source };
  const name = source.slice(source.indexOf(':') + 1);
  return source.startsWith('header:')
    ? { kind: 'header', name: name.toLowerCase() }
    : { kind: 'cookie', name };
}

/**
 * `isOnly`: no other target could answer in place of this one. A 5xx then says less than it costs:
 * one route with a mistake would shut out all others.
 */
export function compileBreaker(config: CircuitBreakerConfig, isOnly: boolean): CompiledBreaker {
  const { circuitBreaker: fallback } = defaults;
  const openForMs = durationMs(config.openFor ?? fallback.openFor);
  const failureOn: readonly FailureKind[] =
    config.failureOn ?? (isOnly ? fallback.failureOnOfOnlyTarget : fallback.failureOn);
  const { openForMax } = config;
  return {
    failureThreshold: config.failureThreshold ?? fallback.failureThreshold,
    failureRate: config.failureRate === undefined ? null : compileFailureRate(config.failureRate),
    failureOn: compileFailureOn(failureOn),
    openForMs,
    openForMaxMs: openForMax === undefined ? openForMs : durationMs(openForMax),
    halfOpenRequests: config.halfOpenRequests ?? fallback.halfOpenRequests,
    rampUpMs: durationMs(config.rampUp ?? fallback.rampUp),
  };
}

/** What counts as a failure. */
export function compileFailureOn(kinds: readonly FailureKind[]): FailureKinds {
  const statuses = kinds.filter((kind) => typeof kind === 'number');
  return {
    connectFailure: kinds.includes('connectFailure'),
    timeout: kinds.includes('timeout'),
    reset: kinds.includes('reset'),
    status5xx: kinds.includes('5xx'),
    statuses: statuses.toSorted((one, other) => one - other),
  };
}

function compileFailureRate(config: FailureRateConfig): CompiledBreaker['failureRate'] {
  return {
    percent: config.percent,
    minimumRequests: config.minimumRequests ?? defaults.failureRate.minimumRequests,
    windowMs: durationMs(config.window ?? defaults.failureRate.window),
  };
}

export function compileHealthCheck(config: HealthCheckConfig): CompiledHealthCheck {
  const { healthCheck: fallback } = defaults;
  const statuses = config.expectedStatuses ?? fallback.expectedStatuses;
  return {
    type: config.type,
    service: config.service ?? '',
    path: config.path ?? fallback.path,
    host: config.host ?? '',
    intervalMs: durationMs(config.interval ?? fallback.interval),
    timeoutMs: durationMs(config.timeout ?? fallback.timeout),
    healthyThreshold: config.healthyThreshold ?? fallback.healthyThreshold,
    unhealthyThreshold: config.unhealthyThreshold ?? fallback.unhealthyThreshold,
    expectedStatuses: statuses.map(statusRange),
    jitterPercent: config.jitterPercent ?? fallback.jitterPercent,
  };
}

/** First and last status of `200` or `200-299`. */
export function statusRange(text: number | string): readonly [number, number] {
  const [first, last] = String(text).split('-').map(Number);
  const start = defined(first, 'a checked status');
  return [start, last ?? start];
}

export function compileOutlierDetection(config: OutlierDetectionConfig): CompiledOutlierDetection {
  const { outlierDetection: fallback } = defaults;
  const baseEjectionMs = durationMs(config.baseEjectionTime ?? fallback.baseEjectionTime);
  const { maxEjectionTime } = config;
  const maxEjectionMs =
    maxEjectionTime === undefined
      ? Math.max(baseEjectionMs, durationMs(fallback.maxEjectionTime))
      : durationMs(maxEjectionTime);
  return {
    consecutive5xx: config.consecutive5xx ?? fallback.consecutive5xx,
    intervalMs: durationMs(config.interval ?? fallback.interval),
    baseEjectionMs,
    maxEjectionMs,
    maxEjectionPercent: config.maxEjectionPercent ?? fallback.maxEjectionPercent,
  };
}
