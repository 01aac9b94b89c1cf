/**
 * The standing of a target in words: its state, the reason, since when, and until when if that is
 * known.
 *
 * Thread: supervisor (on the main thread). Reads the coordinator's rows; of several reasons the
 * most serious is shown.
 */
import type { Moment } from '../base/clock.js';
import {
  HEALTH_EJECTED,
  HEALTH_UNHEALTHY,
  TARGET_HALF_OPEN,
  TARGET_OPEN,
  type TargetStateView,
} from '../channel/coordinator/target-states.js';
import type { CompiledTarget, CompiledUpstream } from '../config/compiled-config.js';

export interface TargetStanding {
  /** `warming_up`: the target takes requests, but fewer than its normal share. */
  readonly state: 'available' | 'warming_up' | 'unhealthy' | 'ejected' | 'half_open' | 'open';
  readonly why: string;
  /** ISO 8601; null: since the gateway started. */
  readonly since: string | null;
  /** ISO 8601; null: unknown, because it depends on probes and requests. */
  readonly until: string | null;
}

export function standingOf(
  targets: TargetStateView,
  { index }: CompiledTarget,
  upstream: CompiledUpstream,
  moment: Moment,
): TargetStanding {
  const { state, why, sinceMs, untilMs } = judge(targets, index, upstream, moment.nowMs);
  return { state, why, since: isoTime(sinceMs, moment), until: isoTime(untilMs, moment) };
}

/** The same with times on the monotonic clock; 0: no such time. */
interface Judgement {
  readonly state: TargetStanding['state'];
  readonly why: string;
  readonly sinceMs: number;
  readonly untilMs: number;
}

function judge(
  targets: TargetStateView,
  index: number,
  upstream: CompiledUpstream,
  nowMs: number,
): Judgement {
  const sinceMs = targets.sinceMsOf(index);
  const why = targets.causeNameOf(index);
  switch (targets.stateOf(index)) {
    case TARGET_OPEN:
      return { state: 'open', why, sinceMs, untilMs: sinceMs + targets.openForMsOf(index) };
    case TARGET_HALF_OPEN:
      return { state: 'half_open', why, sinceMs, untilMs: 0 };
    default:
      return healthOf(targets, index) ?? warmthOf(targets, index, upstream, nowMs);
  }
}

function healthOf(targets: TargetStateView, index: number): Judgement | null {
  const health = targets.healthOf(index);
  if ((health & HEALTH_UNHEALTHY) !== 0) {
    const why = `healthCheck: ${targets.checkFailureOf(index)}`;
    return { state: 'unhealthy', why, sinceMs: targets.checkSinceMsOf(index), untilMs: 0 };
  }
  if ((health & HEALTH_EJECTED) === 0) return null;
  const sinceMs = targets.outlierSinceMsOf(index);
  const untilMs = targets.ejectedUntilMsOf(index);
  return { state: 'ejected', why: 'consecutive5xx', sinceMs, untilMs };
}

function warmthOf(
  targets: TargetStateView,
  index: number,
  upstream: CompiledUpstream,
  nowMs: number,
): Judgement {
  const closedMs = targets.sinceMsOf(index);
  const rampEndMs = closedMs === 0 ? 0 : closedMs + upstream.circuitBreaker.rampUpMs;
  const healthyMs = targets.warmSinceMsOf(index);
  const slowEndMs = healthyMs === 0 ? 0 : healthyMs + upstream.loadBalancing.slowStartMs;
  if (rampEndMs > nowMs && rampEndMs >= slowEndMs) {
    const why = targets.causeNameOf(index);
    return { state: 'warming_up', why, sinceMs: closedMs, untilMs: rampEndMs };
  }
  if (slowEndMs > nowMs) {
    const why = 'becameHealthy';
    return { state: 'warming_up', why, sinceMs: healthyMs, untilMs: slowEndMs };
  }
  const sinceMs = Math.max(closedMs, healthyMs);
  const wasHealthLast = healthyMs > closedMs;
  const why = wasHealthLast ? 'becameHealthy' : targets.causeNameOf(index);
  return { state: 'available', why: sinceMs === 0 ? 'started' : why, sinceMs, untilMs: 0 };
}

function isoTime(monotonicMs: number, { nowMs, unixMs }: Moment): string | null {
  if (monotonicMs === 0) return null;
  return new Date(unixMs - nowMs + monotonicMs).toISOString();
}
