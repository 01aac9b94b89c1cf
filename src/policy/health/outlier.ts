/**
 * Takes a target out for a while that answers worse than it should: passive health.
 *
 * Thread: any (pure). Time arrives as nowMs; the row lies elsewhere. Envoy's consecutive-5xx rule:
 *
 *            consecutive5xx bad answers in a row, and not too many are out already
 *     IN ────────────────────────────────────────────────────────────────────────► EJECTED
 *      ▲                                                                              │
 *      └──────────────────────────────────────────────────────────────────────────────┘
 *            baseEjectionTime × times ejected, at most maxEjectionTime; or a health check passes
 *
 * Each interval that a target is in takes one off the times that it was ejected.
 */
import { assert } from '../../base/assert.js';

export interface OutlierRow {
  /** Bad answers in a row. */
  badAnswers: number;
  /** How often it was ejected, less the intervals that it was in since. */
  ejections: number;
  isEjected: boolean;
  /** Since when it is ejected or in; moves on as intervals are counted. */
  outlierSinceMs: number;
  ejectedUntilMs: number;
}

export interface OutlierRule {
  readonly consecutive5xx: number;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
}

/** Whether one more of `targetCount` may be ejected when `ejectedCount` are. */
export function mayEject(rule: OutlierRule, ejectedCount: number, targetCount: number): boolean {
  if (targetCount < 2) return false;
  const allowed = Math.floor((targetCount * rule.maxEjectionPercent) / 100);
  return ejectedCount < Math.max(1, allowed);
}

/**
 * Takes in one answer; true: the target is due to be ejected. What was sent before it was ejected
 * says nothing of its recovery.
 */
export function takeAnswer(row: OutlierRow, rule: OutlierRule, isBad: boolean): boolean {
  if (row.isEjected) return false;
  row.badAnswers = isBad ? Math.min(row.badAnswers + 1, rule.consecutive5xx) : 0;
  return row.badAnswers >= rule.consecutive5xx;
}

export function eject(row: OutlierRow, rule: OutlierRule, nowMs: number): void {
  assert(!row.isEjected, 'a target is ejected once at a time');
  passIntervals(row, rule, nowMs);
  // More would make no difference, and would take longer to forget.
  const useful = Math.ceil(rule.maxEjectionMs / rule.baseEjectionMs);
  row.ejections = Math.min(row.ejections + 1, Math.max(1, useful));
  row.badAnswers = 0;
  row.isEjected = true;
  row.outlierSinceMs = nowMs;
  row.ejectedUntilMs = nowMs + Math.min(rule.maxEjectionMs, rule.baseEjectionMs * row.ejections);
}

/** Lets time pass; true: the target is in again. */
export function passOutlierTime(row: OutlierRow, rule: OutlierRule, nowMs: number): boolean {
  if (!row.isEjected) {
    passIntervals(row, rule, nowMs);
    return false;
  }
  if (nowMs < row.ejectedUntilMs) return false;
  endEjection(row, nowMs);
  return true;
}

/** Its time is over, or a health check has found it well. How often it was out is not forgotten. */
export function endEjection(row: OutlierRow, nowMs: number): void {
  row.isEjected = false;
  row.badAnswers = 0;
  row.outlierSinceMs = nowMs;
  row.ejectedUntilMs = 0;
}

function passIntervals(row: OutlierRow, rule: OutlierRule, nowMs: number): void {
  const passed = Math.floor((nowMs - row.outlierSinceMs) / rule.intervalMs);
  if (passed <= 0) return;
  row.ejections = Math.max(0, row.ejections - passed);
  row.outlierSinceMs += passed * rule.intervalMs;
}
