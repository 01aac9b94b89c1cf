/**
 * The breaker of one target: whether the target may be tried, and what an outcome changes.
 *
 * Thread: any (pure). Time arrives as nowMs; the row lies elsewhere, behind {@link BreakerRow}.
 *
 *              failureThreshold failures in a row,
 *              or a failure rate above the limit
 *     CLOSED ──────────────────────────────────────► OPEN ◄─────────────┐
 *        ▲                                             │ openForMs over │ a probe fails:
 *        │ a probe succeeds: at first                  ▼ and an ask     │ twice as long
 *        │ a share, growing over rampUpMs                               │
 *        └───────────────────────────────────────── HALF-OPEN ──────────┘
 *                                           at most halfOpenRequests in flight
 *
 * A closed breaker admits with ticket 0. A probe gets a ticket that names the breaker's generation,
 * which grows whenever the breaker becomes half-open; an outcome with any other ticket came too
 * late and changes nothing. The caller makes sure that each ticket is settled once.
 *
 * Probes that take longer than the open time do not hold the target down: new probes are admitted
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
/**
 * Neither success nor failure: the client went away, or the try was never made. The outcome only
 * frees the probe's place.
 */
export const OUTCOME_CANCELLED = 3;
export type Outcome = typeof OUTCOME_SUCCESS | typeof OUTCOME_FAILURE | typeof OUTCOME_CANCELLED;

export const TICKET_NONE = 0;

/** Why a breaker is in its state. */
export const CAUSE_NONE = 0;
export const CAUSE_CONSECUTIVE_FAILURES = 1;
export const CAUSE_FAILURE_RATE = 2;
export const CAUSE_OPEN_PERIOD_OVER = 3;
export const CAUSE_PROBE_SUCCEEDED = 4;
export const CAUSE_PROBE_FAILED = 5;
export type BreakerCause =
  | typeof CAUSE_NONE
  | typeof CAUSE_CONSECUTIVE_FAILURES
  | typeof CAUSE_FAILURE_RATE
  | typeof CAUSE_OPEN_PERIOD_OVER
  | typeof CAUSE_PROBE_SUCCEEDED
  | typeof CAUSE_PROBE_FAILED;

/**
 * While all probes are in flight nobody knows when one ends: a refused client may ask again after
 * this time.
 */
export const HALF_OPEN_RETRY_MS = 1000;

const GENERATION_MAX = 0x7fff;
const SERIAL_MASK = 0xffff;
const SERIAL_BITS = 16;

export interface BreakerRow extends RollingRow {
  state: BreakerState;
  /** Why the breaker is in its state. */
  cause: BreakerCause;
  /** Failures in a row while closed. */
  failures: number;
  /** 1 to 32767 once the breaker was half-open; part of every ticket. */
  generation: number;
  /** Probes in flight. */
  probes: number;
  /** Tells the tickets of one generation apart. */
  serial: number;
  /** When the breaker came into this state. */
  sinceMs: number;
  /** How long the breaker stays open this time; 0: it has never been open. */
  openForMs: number;
}

export interface BreakerRule {
  readonly failureThreshold: number;
  /** null: only failures in a row count. */
  readonly failureRate: FailureRateRule | null;
  readonly openForMs: number;
  /**
   * Longest open time. Each time that the target does not recover, the open time doubles, up to
   * this.
   */
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

/** The share of its normal load that the target gets: less than 1 while it ramps up. */
export function breakerShare(row: BreakerRow, rule: BreakerRule, nowMs: number): number {
  // A breaker that has never been open has nothing to recover from.
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

/**
 * The target is known to be back: the next ask may probe it, although the open time is not over.
 */
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

/** Counts successes that were not told one by one; they matter to the failure rate only. */
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
 * Settles a try that a closed breaker admitted. A success only ends the series of failures here;
 * {@link countSuccesses} counts it for the failure rate.
 */
export function settleCall(
  row: BreakerRow,
  rule: BreakerRule,
  outcome: Outcome,
  nowMs: number,
): void {
  // A try that was admitted before the breaker opened says nothing about the target's recovery.
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

/**
 * Settles a probe for whose ticket {@link isTicketCurrent} is true. Every outcome frees the probe's
 * place.
 */
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

function open(row: BreakerRow, rule: BreakerRule, cause: BreakerCause, nowMs: number): void {
  const hasRecovered = row.state === BREAKER_CLOSED && nowMs - row.sinceMs >= rule.rampUpMs;
  const isFirst = hasRecovered || row.openForMs === 0;
  const longestMs = Math.max(rule.openForMs, rule.openForMaxMs);
  row.openForMs = isFirst ? rule.openForMs : Math.min(longestMs, row.openForMs * 2);
  enterState(row, BREAKER_OPEN, cause, nowMs);
}

function enterState(
  row: BreakerRow,
  state: BreakerState,
  cause: BreakerCause,
  nowMs: number,
): void {
  row.failures = 0;
  row.probes = 0;
  row.sinceMs = nowMs;
  row.cause = cause;
  clearOutcomes(row);
  // The state is written last: other threads read the state first, and then the words that belong
  // to it.
  row.state = state;
}
