/**
 * What the coordinator reports of a target that changed: its breaker, its health.
 *
 * Thread: coordinator.
 */
import { assert } from '../base/assert.js';
import type { BreakerReason } from '../channel/coordinator-messages.js';
import type { CheckResultName } from '../channel/target-states.js';
import {
  BREAKER_OPEN,
  type BreakerState,
  CAUSE_CONSECUTIVE_FAILURES,
  CAUSE_FAILURE_RATE,
  CAUSE_OPEN_PERIOD_OVER,
  CAUSE_PROBE_FAILED,
  CAUSE_PROBE_SUCCEEDED,
} from '../policy/circuit-breaker/circuit-breaker.js';

export interface BreakerTransition {
  readonly targetIndex: number;
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: BreakerReason;
  /** On the monotonic clock, as all times here. */
  readonly atMs: number;
  /** When an open breaker may be probed; 0: it is not open. */
  readonly untilMs: number;
}

export interface HealthTransition {
  readonly targetIndex: number;
  readonly isHealthy: boolean;
  readonly reason: CheckResultName | 'consecutive5xx' | 'ejectionOver';
  readonly atMs: number;
  /** When an ejection ends; 0: it is none. */
  readonly untilMs: number;
}

/** Hears of each change once. */
export interface TargetListener {
  onBreakerTransition(change: BreakerTransition): void;
  onHealthTransition(change: HealthTransition): void;
}

export function breakerReason(cause: number): BreakerReason {
  switch (cause) {
    case CAUSE_CONSECUTIVE_FAILURES:
      return 'consecutiveFailures';
    case CAUSE_FAILURE_RATE:
      return 'failureRate';
    case CAUSE_OPEN_PERIOD_OVER:
      return 'openPeriodOver';
    case CAUSE_PROBE_SUCCEEDED:
      return 'probeSucceeded';
    default:
      assert(cause === CAUSE_PROBE_FAILED, 'a change has a cause');
      return 'probeFailed';
  }
}

/** When an open breaker may be probed. */
export function openUntilMs(state: BreakerState, sinceMs: number, openForMs: number): number {
  return state === BREAKER_OPEN ? sinceMs + openForMs : 0;
}
