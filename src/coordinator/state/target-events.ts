/**
 * The events that the coordinator reports when a target changes: its breaker, its health.
 *
 * Thread: coordinator.
 */
import type { BreakerCauseName, CheckResultName } from '../../channel/coordinator/target-states.js';
import { BREAKER_OPEN, type BreakerState } from '../../policy/circuit-breaker/circuit-breaker.js';

export interface BreakerTransition {
  readonly targetIndex: number;
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: BreakerCauseName;
  /** On the monotonic clock, like all times here. */
  readonly atMs: number;
  /** When an open breaker may be probed; 0: the breaker is not open. */
  readonly untilMs: number;
}

export interface HealthTransition {
  readonly targetIndex: number;
  readonly isHealthy: boolean;
  readonly reason: CheckResultName | 'consecutive5xx' | 'ejectionOver';
  readonly atMs: number;
  /** When an ejection ends; 0: the target is not ejected. */
  readonly untilMs: number;
}

/** Gets each change once. */
export interface TargetListener {
  onBreakerTransition(change: BreakerTransition): void;
  onHealthTransition(change: HealthTransition): void;
}

/** When an open breaker may be probed. */
export function openUntilMs(state: BreakerState, sinceMs: number, openForMs: number): number {
  return state === BREAKER_OPEN ? sinceMs + openForMs : 0;
}
