/**
 * How a target stands, in words: its state, why, since when, and until when if that is known.
 *
 * Thread: acceptor. Reads the coordinator's rows; of several reasons the gravest is told.
 */
import { monotonicMs } from '../base/clock.js';
import {
  HEALTH_EJECTED,
  HEALTH_UNHEALTHY,
  TARGET_HALF_OPEN,
  TARGET_OPEN,
  type TargetStateView,
} from '../channel/coordinator/target-states.js';
import type { CompiledTarget, CompiledUpstream } from '../config/compiled-config.js';

export interface TargetStanding {
  /** `warming_up`: it takes requests, fewer than its part. */
  readonly state: 'available' | 'warming_up' | 'unhealthy' | 'ejected' | 'half_open' | 'open';
  readonly why: string;
  /** ISO 8601; null: as long as the gateway runs. */
  readonly since: string | null;
  /** ISO 8601; null: that depends on what probes and requests find. */
  readonly until: string | null;
}

export function standingOf(
  targets: TargetStateView,
  { index }: CompiledTarget,
  upstream: CompiledUpstream,
): TargetStanding {
  const sinceMs = targets.sinceMsOf(index);
  const why = targets.causeNameOf(index);
  switch (targets.stateOf(index)) {
    case TARGET_OPEN:
      return standing('open', why, sinceMs, sinceMs + targets.openForMsOf(index));
    case TARGET_HALF_OPEN:
      return standing('half_open', why, sinceMs, 0);
    default:
      return healthOf(targets, index) ?? warmthOf(targets, index, upstream);
  }
}

function healthOf(targets: TargetStateView, index: number): TargetStanding | null {
  const health = targets.healthOf(index);
  if ((health & HEALTH_UNHEALTHY) !== 0) {
    const why = `healthCheck: ${targets.checkFailureOf(index)}`;
    return standing('unhealthy', why, targets.checkSinceMsOf(index), 0);
  }
  if ((health & HEALTH_EJECTED) === 0) return null;
  const untilMs = targets.ejectedUntilMsOf(index);
  return standing('ejected', 'consecutive5xx', targets.outlierSinceMsOf(index), untilMs);
}

function warmthOf(
  targets: TargetStateView,
  index: number,
  upstream: CompiledUpstream,
): TargetStanding {
  const nowMs = monotonicMs();
  const closedMs = targets.sinceMsOf(index);
  const rampEndMs = closedMs === 0 ? 0 : closedMs + upstream.circuitBreaker.rampUpMs;
  const healthyMs = targets.warmSinceMsOf(index);
  const slowEndMs = healthyMs === 0 ? 0 : healthyMs + upstream.loadBalancing.slowStartMs;
  if (rampEndMs > nowMs && rampEndMs >= slowEndMs) {
    return standing('warming_up', targets.causeNameOf(index), closedMs, rampEndMs);
  }
  if (slowEndMs > nowMs) return standing('warming_up', 'becameHealthy', healthyMs, slowEndMs);
  const sinceMs = Math.max(closedMs, healthyMs);
  const wasHealthLast = healthyMs > closedMs;
  const why = wasHealthLast ? 'becameHealthy' : targets.causeNameOf(index);
  return standing('available', sinceMs === 0 ? 'started' : why, sinceMs, 0);
}

function standing(
  state: TargetStanding['state'],
  why: string,
  sinceMs: number,
  untilMs: number,
): TargetStanding {
  return { state, why, since: isoTime(sinceMs), until: isoTime(untilMs) };
}

function isoTime(monotonic: number): string | null {
  if (monotonic === 0) return null;
  return new Date(Date.now() - monotonicMs() + monotonic).toISOString();
}
