/**
 * The breaker of one target: may it be tried, and what does an outcome change.
 *
 * Thread: any (pure). Time arrives as nowMs; the row lies elsewhere, behind {@link BreakerRow}.
 *
 *              failureThreshold failures in a row
 *     CLOSED ──────────────────────────────────────► OPEN ◄─────────────┐
 *        ▲                                             │ openForMs over │ a probe fails
 *        │ a probe succeeds                            ▼ and an ask     │
 *        └───────────────────────────────────────── HALF-OPEN ──────────┘
 *                                           at most halfOpenRequests in flight
 *
 * A closed breaker admits with ticket 0. A probe gets a ticket that names the breaker's
 * generation, which grows whenever it becomes half-open; an outcome with any other ticket came
 * too late and changes nothing. That each ticket is settled once is the caller's care.
 * Invariant: 0 <= probes <= halfOpenRequests, and probes is 0 unless half-open.
 */
import { assert } from '../../base/assert.js';

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

/** While all probes are out nobody knows when one ends: ask again after a moment. */
export const HALF_OPEN_RETRY_MS = 1000;

const GENERATION_MAX = 0x7fff;
const SERIAL_MASK = 0xffff;
const SERIAL_BITS = 16;

export interface BreakerRow {
  state: BreakerState;
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
}

export interface BreakerRule {
  readonly failureThreshold: number;
  readonly openForMs: number;
  readonly halfOpenRequests: number;
}

/** Whether {@link passBreaker} would admit now. Changes nothing. */
export function canPassBreaker(row: BreakerRow, rule: BreakerRule, nowMs: number): boolean {
  if (row.state === BREAKER_CLOSED) return true;
  if (row.state === BREAKER_OPEN) return nowMs - row.sinceMs >= rule.openForMs;
  return row.probes < rule.halfOpenRequests;
}

/** Admits one try, and returns its ticket. */
export function passBreaker(row: BreakerRow, rule: BreakerRule, nowMs: number): number {
  assert(canPassBreaker(row, rule, nowMs), 'only a breaker that was asked is passed');
  if (row.state === BREAKER_CLOSED) return TICKET_NONE;
  if (row.state === BREAKER_OPEN) {
    row.generation = row.generation >= GENERATION_MAX ? 1 : row.generation + 1;
    enterState(row, BREAKER_HALF_OPEN, nowMs);
  }
  row.probes += 1;
  row.serial = (row.serial + 1) & SERIAL_MASK;
  return (row.generation << SERIAL_BITS) | row.serial;
}

/** How long until a refused try may be admitted, whole milliseconds, at least 1. */
export function breakerRetryAfterMs(row: BreakerRow, rule: BreakerRule, nowMs: number): number {
  assert(row.state !== BREAKER_CLOSED, 'a closed breaker refuses nobody');
  if (row.state === BREAKER_HALF_OPEN) return HALF_OPEN_RETRY_MS;
  return Math.max(1, Math.ceil(row.sinceMs + rule.openForMs - nowMs));
}

/** Whether the ticket belongs to a probe that this breaker still waits for. */
export function isTicketCurrent(row: BreakerRow, ticket: number): boolean {
  return row.state === BREAKER_HALF_OPEN && ticket >> SERIAL_BITS === row.generation;
}

/** Settles a try that a closed breaker admitted. */
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
  if (row.failures >= rule.failureThreshold) enterState(row, BREAKER_OPEN, nowMs);
}

/** Settles a probe whose ticket {@link isTicketCurrent}; its place is free whatever came out. */
export function settleProbe(row: BreakerRow, outcome: Outcome, nowMs: number): void {
  assert(row.state === BREAKER_HALF_OPEN && row.probes > 0, 'a probe is settled once');
  row.probes -= 1;
  if (outcome === OUTCOME_SUCCESS) enterState(row, BREAKER_CLOSED, nowMs);
  if (outcome === OUTCOME_FAILURE) enterState(row, BREAKER_OPEN, nowMs);
}

function enterState(row: BreakerRow, state: BreakerState, nowMs: number): void {
  row.failures = 0;
  row.probes = 0;
  row.sinceMs = nowMs;
  // Last: other threads read the state, and then what belongs to it.
  row.state = state;
}
