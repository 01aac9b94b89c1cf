/**
 * The breaker of one target: may it be tried, and what does an outcome change.
 *
 * Thread: any (pure). Time arrives as nowMs; the row lies elsewhere, behind {@link BreakerRow}.
 *
 *              failureThreshold failures in a row,
 *              or too many of the last while
 *     CLOSED ──────────────────────────────────────► OPEN ◄─────────────┐
 *        ▲                                             │ openForMs over │ a probe fails:
 *        │ a probe succeeds: at first                  ▼ and an ask     │ twice as long
 *        │ a share, growing over rampUpMs                               │
 *        └───────────────────────────────────────── HALF-OPEN ──────────┘
 *                                           at most halfOpenRequests in flight
 *
 * A closed breaker admits with ticket 0. A probe gets a ticket that names the breaker's
 * generation, which grows whenever it becomes half-open; an outcome with any other ticket came
 * too late and changes nothing. That each ticket is settled once is the caller's care.
 *
 * Probes that take longer than the open time do not hold the target down: others are let through
 * in their place, as a new generation.
 * Invariant: 0 <= probes <= halfOpenRequests, and probes is 0 unless half-open.
 */
import { assert } from '../../base/assert.js';
import { rampShare } from '../load-balancing/ramp.js';
import {
  addOutcomes,
  clearOutcomes,
  type FailureRateRule,
  isRateExceeded,
  type RollingRow,
} from './rolling-counts.js';

export const BREAKER_CLOSED = 0;
export const BREAKER_OPEN = 1;
export const BREAKER_HALF_OPEN = 2;
export type BreakerState = typeof BREAKER_CLOSED | typeof BREAKER_OPEN | typeof BREAKER_HALF_OPEN;

export const OUTCOME_SUCCESS = 1;
export const OUTCOME_FAILURE = 2;
/** Neither: the client went away, or the try was never made. Only the probe's place is free. */
export const OUTCOME_CANCELLED = 3;
export type Outcome = typeof OUTCOME_SUCCESS | typeof OUTCOME_FAILURE | typeof OUTCOME_CANCELLED;

export const TICKET_NONE = 0;

/** Why a breaker came into its state. */
export const CAUSE_NONE = 0;
export const CAUSE_CONSECUTIVE_FAILURES = 1;
export const CAUSE_FAILURE_RATE = 2;
export const CAUSE_OPEN_PERIOD_OVER = 3;
export const CAUSE_PROBE_SUCCEEDED = 4;
export const CAUSE_PROBE_FAILED = 5;

/** While all probes are out nobody knows when one ends: ask again after a moment. */
export const HALF_OPEN_RETRY_MS = 1000;

const GENERATION_MAX = 0x7fff;
const SERIAL_MASK = 0xffff;
const SERIAL_BITS = 16;

export interface BreakerRow extends RollingRow {
  state: BreakerState;
  /** Why it is in this state. */
  cause: number;
  /** Failures in a row while closed. */
  failures: number;
  /** 1 to 32767 once it was half-open; part of every ticket. */
  generation: number;
  /** Probes in flight. */
  probes: number;
  /** Tells the tickets of one generation apart. */
  serial: number;
  /** When it came into this state. */
  sinceMs: number;
  /** How long it stays open this time; 0: it has never been open. */
  openForMs: number;
}

export interface BreakerRule {
  readonly failureThreshold: number;
  /** null: only failures in a row count. */
  readonly failureRate: FailureRateRule | null;
  readonly openForMs: number;
  /** It is open for twice as long each time that it does not recover, up to this. */
  readonly openForMaxMs: number;
  readonly halfOpenRequests: number;
  readonly rampUpMs: number;
}

/** Whether {@link passBreaker} would admit now. Changes nothing. */
export function canPassBreaker(row: BreakerRow, rule: BreakerRule, nowMs: number): boolean {
  if (row.state === BREAKER_CLOSED) return true;
  if (row.state === BREAKER_OPEN) return nowMs - row.sinceMs >= row.openForMs;
  return row.probes < rule.halfOpenRequests || areProbesOverdue(row, nowMs);
}

/** How much of its part the target takes: less than 1 while it ramps up. */
export function breakerShare(row: BreakerRow, rule: BreakerRule, nowMs: number): number {
  // One that has never been open has nothing to recover from.
  if (row.state !== BREAKER_CLOSED || row.openForMs === 0) return 1;
  return rampShare(nowMs - row.sinceMs, rule.rampUpMs);
}

/** Admits one try, and returns its ticket. */
export function passBreaker(row: BreakerRow, rule: BreakerRule, nowMs: number): number {
  assert(canPassBreaker(row, rule, nowMs), 'only a breaker that was asked is passed');
  if (row.state === BREAKER_CLOSED) return TICKET_NONE;
  if (row.state === BREAKER_OPEN || row.probes >= rule.halfOpenRequests) {
    row.generation = row.generation >= GENERATION_MAX ? 1 : row.generation + 1;
    enterState(row, BREAKER_HALF_OPEN, CAUSE_OPEN_PERIOD_OVER, nowMs);
  }
  row.probes += 1;
  row.serial = (row.serial + 1) & SERIAL_MASK;
  return (row.generation << SERIAL_BITS) | row.serial;
}

/** The target is known to be back: an open breaker lets the next ask probe it. */
export function endOpenPeriod(row: BreakerRow, nowMs: number): void {
  if (row.state !== BREAKER_OPEN) return;
  row.sinceMs = Math.min(row.sinceMs, nowMs - row.openForMs);
}

/** How long until a refused try may be admitted, whole milliseconds, at least 1. */
export function breakerRetryAfterMs(row: BreakerRow, nowMs: number): number {
  assert(row.state !== BREAKER_CLOSED, 'a closed breaker refuses nobody');
  if (row.state === BREAKER_HALF_OPEN) return HALF_OPEN_RETRY_MS;
  return Math.max(1, Math.ceil(row.sinceMs + row.openForMs - nowMs));
}

/** Whether the ticket belongs to a probe that this breaker still waits for. */
export function isTicketCurrent(row: BreakerRow, ticket: number): boolean {
  return row.state === BREAKER_HALF_OPEN && ticket >> SERIAL_BITS === row.generation;
}

/** Counts successes that nobody told one by one; they matter to the rate only. */
export function countSuccesses(
  row: BreakerRow,
  rule: BreakerRule,
  successes: number,
  nowMs: number,
): void {
  if (rule.failureRate === null || row.state !== BREAKER_CLOSED || successes === 0) return;
  addOutcomes(row, rule.failureRate.windowMs, nowMs, { successes, failures: 0 });
}

/**
 * Settles a try that a closed breaker admitted. A success only ends the row of failures; to the
 * rate it counts by {@link countSuccesses}.
 */
export function settleCall(
  row: BreakerRow,
  rule: BreakerRule,
  outcome: Outcome,
  nowMs: number,
): void {
  // Admitted before the breaker opened: it says nothing about the target's recovery.
  if (row.state !== BREAKER_CLOSED || outcome === OUTCOME_CANCELLED) return;
  if (outcome === OUTCOME_SUCCESS) {
    row.failures = 0;
    return;
  }
  row.failures += 1;
  const { failureRate } = rule;
  if (failureRate !== null) {
    addOutcomes(row, failureRate.windowMs, nowMs, { successes: 0, failures: 1 });
  }
  if (row.failures >= rule.failureThreshold) {
    open(row, rule, CAUSE_CONSECUTIVE_FAILURES, nowMs);
  } else if (failureRate !== null && isRateExceeded(row, failureRate, nowMs)) {
    open(row, rule, CAUSE_FAILURE_RATE, nowMs);
  }
}

/** Settles a probe whose ticket {@link isTicketCurrent}; its place is free whatever came out. */
export function settleProbe(
  row: BreakerRow,
  rule: BreakerRule,
  outcome: Outcome,
  nowMs: number,
): void {
  assert(row.state === BREAKER_HALF_OPEN && row.probes > 0, 'a probe is settled once');
  row.probes -= 1;
  if (outcome === OUTCOME_SUCCESS) enterState(row, BREAKER_CLOSED, CAUSE_PROBE_SUCCEEDED, nowMs);
  if (outcome === OUTCOME_FAILURE) open(row, rule, CAUSE_PROBE_FAILED, nowMs);
}

function areProbesOverdue(row: BreakerRow, nowMs: number): boolean {
  return nowMs - row.sinceMs >= row.openForMs;
}

function open(row: BreakerRow, rule: BreakerRule, cause: number, nowMs: number): void {
  const hasRecovered = row.state === BREAKER_CLOSED && nowMs - row.sinceMs >= rule.rampUpMs;
  const isFirst = hasRecovered || row.openForMs === 0;
  const longestMs = Math.max(rule.openForMs, rule.openForMaxMs);
  row.openForMs = isFirst ? rule.openForMs : Math.min(longestMs, row.openForMs * 2);
  enterState(row, BREAKER_OPEN, cause, nowMs);
}

function enterState(row: BreakerRow, state: BreakerState, cause: number, nowMs: number): void {
  row.failures = 0;
  row.probes = 0;
  row.sinceMs = nowMs;
  row.cause = cause;
  clearOutcomes(row);
  // Last: other threads read the state, and then what belongs to it.
  row.state = state;
}
