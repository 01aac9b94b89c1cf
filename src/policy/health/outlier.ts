/**
 * Ejects a target for some time when it answers worse than it should: passive health.
 *
 * Thread: any (pure). Time arrives as nowMs; the row lies elsewhere. Envoy's consecutive-5xx rule:
 *
 *            consecutive5xx bad answers in a row, and not too many are out already
 *     IN ────────────────────────────────────────────────────────────────────────► EJECTED
 *      ▲                                                                              │
 *      └──────────────────────────────────────────────────────────────────────────────┘
 *            baseEjectionTime × times ejected, at most maxEjectionTime; or a health check passes
 *
 * The number of times ejected falls by one with each interval in which the target stays in.
 */
import { assert } from '../../base/assert.js';

export interface OutlierRow {
  /** Bad answers in a row. */
  badAnswers: number;
  /** How often the target was ejected, less the intervals in which it was in since then. */
  ejections: number;
  isEjected: boolean;
  /** Since when the target is ejected or in; moves forward as intervals are counted. */
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

/**
 * Whether one more of `targetCount` targets may be ejected when `ejectedCount` are ejected already.
 */
export function mayEject(rule: OutlierRule, ejectedCount: number, targetCount: number): boolean {
  if (targetCount < 2) return false;
  const allowed = Math.floor((targetCount * rule.maxEjectionPercent) / 100);
  return ejectedCount < Math.max(1, allowed);
}

/**
 * Counts one answer. True: the target is due to be ejected. Answers to requests from before an
 * ejection say nothing about the recovery.
 */
export function takeAnswer(row: OutlierRow, rule: OutlierRule, isBad: boolean): boolean {
  if (row.isEjected) return false;
  row.badAnswers = isBad ? Math.min(row.badAnswers + 1, rule.consecutive5xx) : 0;
  return row.badAnswers >= rule.consecutive5xx;
}

export function eject(row: OutlierRow, rule: OutlierRule, nowMs: number): void {
  assert(!row.isEjected, 'a target is ejected once at a time');
  passIntervals(row, rule, nowMs);
  // A larger count would not eject for longer, and would take longer to fall.
  const useful = Math.ceil(rule.maxEjectionMs / rule.baseEjectionMs);
  row.ejections = Math.min(row.ejections + 1, Math.max(1, useful));
  row.badAnswers = 0;
  row.isEjected = true;
  row.outlierSinceMs = nowMs;
  row.ejectedUntilMs = nowMs + Math.min(rule.maxEjectionMs, rule.baseEjectionMs * row.ejections);
}

/** Lets time pass. True: the target is in again. */
export function passOutlierTime(row: OutlierRow, rule: OutlierRule, nowMs: number): boolean {
  if (!row.isEjected) {
    passIntervals(row, rule, nowMs);
    return false;
  }
  if (nowMs < row.ejectedUntilMs) return false;
  endEjection(row, nowMs);
  return true;
}

/**
 * Ends an ejection, because its time is over or a health check has passed. The number of ejections
 * stays.
 */
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
