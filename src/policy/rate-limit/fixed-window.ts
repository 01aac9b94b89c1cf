/**
 * Decides whether a window that begins with its first admission has room.
 *
 * Thread: any (pure). Time arrives as nowMs; the two numbers of a window lie elsewhere.
 *
 * This policy is the cheapest and the loosest: around the end of a window up to twice the limit may
 * pass in a short time. A window begins at the end of the millisecond of its first admission, so it
 * ends late by less than 1 ms and never early.
 * Invariant: at most `limit` admissions in a window, and windows do not overlap.
 */
import { assert } from '../../base/assert.js';
import type { RateDecision } from './rate-decision.js';
import { admissionsOf } from './sliding-window.js';

export interface FixedWindowState {
  /** Whole milliseconds. */
  startMs: number;
  admissions: number;
}

export interface FixedWindowRule {
  /** In admissions. */
  readonly limit: number;
  readonly windowMs: number;
  readonly cost: number;
  readonly rest: number;
}

export function fixedWindowRule(configured: {
  readonly limit: number;
  readonly windowMs: number;
  readonly cost: number;
}): FixedWindowRule {
  const { cost } = configured;
  const limit = admissionsOf(configured.limit, cost);
  assert(limit >= 1, 'a limit admits somebody');
  const rest = Math.floor(configured.limit) - limit * cost;
  return { limit, windowMs: Math.ceil(configured.windowMs), cost, rest };
}

/** Makes a window without admissions, which begins with the next one. */
export function clearFixedWindow(state: FixedWindowState): void {
  state.startMs = Number.NEGATIVE_INFINITY;
  state.admissions = 0;
}

/** Asks whether an admission would pass; changes nothing. */
export function peekFixedWindow(
  state: FixedWindowState,
  rule: FixedWindowRule,
  nowMs: number,
  decision: RateDecision,
): boolean {
  const isAdmitted = usedOf(state, rule, nowMs) < rule.limit;
  decision.admitted = isAdmitted;
  describe(state, rule, nowMs, decision);
  decision.retryAfterMs = isAdmitted ? 0 : Math.max(1, decision.resetMs);
  return isAdmitted;
}

/** Takes the admission that {@link peekFixedWindow} has just found at the same `nowMs`. */
export function commitFixedWindow(
  state: FixedWindowState,
  rule: FixedWindowRule,
  nowMs: number,
  decision: RateDecision,
): void {
  take(state, rule, nowMs, 1);
  describe(state, rule, nowMs, decision);
}

/** Until when a grant that is made now may be used: it ends before its window does. */
export function grantUntilOfFixedWindow(
  state: FixedWindowState,
  rule: FixedWindowRule,
  nowMs: number,
  untilMs: number,
): number {
  const startMs = isOver(state, rule, nowMs) ? Math.ceil(nowMs) : state.startMs;
  return Math.min(untilMs, startMs + rule.windowMs - 1);
}

/** Takes `count` admissions at once. */
export function grantFixedWindow(
  state: FixedWindowState,
  rule: FixedWindowRule,
  count: number,
  nowMs: number,
): void {
  take(state, rule, nowMs, count);
}

/**
 * Gives back the unused admissions of a grant, unless its window is over. Returns how many came
 * back.
 */
export function giveBackFixedWindow(
  state: FixedWindowState,
  rule: FixedWindowRule,
  count: number,
  untilMs: number,
): number {
  const isSameWindow = untilMs >= state.startMs && untilMs < state.startMs + rule.windowMs;
  if (!isSameWindow) return 0;
  const given = Math.min(count, state.admissions);
  state.admissions -= given;
  return given;
}

function take(state: FixedWindowState, rule: FixedWindowRule, nowMs: number, count: number): void {
  const used = usedOf(state, rule, nowMs);
  assert(used + count <= rule.limit, 'only admissions that are left are taken');
  // The start is written first: the old count with a new start refuses too much, not too little.
  if (isOver(state, rule, nowMs)) state.startMs = Math.ceil(nowMs);
  state.admissions = used + count;
}

function isOver(state: FixedWindowState, rule: FixedWindowRule, nowMs: number): boolean {
  return nowMs >= state.startMs + rule.windowMs;
}

function usedOf(state: FixedWindowState, rule: FixedWindowRule, nowMs: number): number {
  return isOver(state, rule, nowMs) ? 0 : state.admissions;
}

function describe(
  state: FixedWindowState,
  rule: FixedWindowRule,
  nowMs: number,
  decision: RateDecision,
): void {
  const used = usedOf(state, rule, nowMs);
  decision.admissionsLeft = rule.limit - used;
  decision.remaining = decision.admissionsLeft * rule.cost + rule.rest;
  const endMs = state.startMs + rule.windowMs;
  decision.resetMs = used === 0 ? 0 : Math.max(0, Math.ceil(endMs - nowMs));
}
