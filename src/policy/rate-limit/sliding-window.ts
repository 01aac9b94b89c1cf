/**
 * Decides whether a sliding window has room, from a log of the admissions in the window.
 *
 * Thread: any (pure). Time arrives as nowMs; the log lies elsewhere, behind {@link SlidingLog}.
 *
 * Exact log (limit <= capacity): one entry for each admission. Grouped log (limit > capacity): the
 * admissions of one millisecond share an entry, and a full log makes room by merging two entries
 * that lie close and have few admissions, which then carry the later stamp.
 *
 * Every error refuses too much, never too little. Stamps are rounded up and the clock is rounded
 * down, so an admission leaves the window less than 2 ms late. In a grouped log it is later by the
 * distance to the entry before its own: at most 2 * window / (capacity - 2), which is window / 63
 * for 128 groups, when admissions are spread evenly, and next to nothing when they come in bursts.
 *
 * Admissions granted in advance carry the latest moment at which they may be used. Later admissions
 * carry no older stamp, since the log is in order: they leave late by at most the validity of a
 * grant.
 *
 * Every admission has the same cost, so a limit of `limit` at a cost of `cost` each is one of
 * floor(limit / cost) admissions.
 *
 * Stamps are 32-bit ticks and may wrap: differences are taken as `(a - b) | 0`, which is right
 * while live stamps lie within 2^31 ticks; `newestTick` clears a log that rested longer than that.
 * A tick is a millisecond; of a window above twelve days it is the power of two that lets the
 * window have 2^30 ticks at most: 64 ms for 400 days. All that is said above of milliseconds then
 * holds for ticks.
 * Invariant: at most `limit` admissions lie in any window, whatever the calls before.
 */
import { assert } from '../../base/assert.js';
import type { RateDecision } from './rate-decision.js';

/** Half of what wrap-safe stamps can tell apart. */
const WINDOW_TICKS_MAX = 2 ** 30;

/** The admissions in the window, oldest first, in a circle of `capacity` entries. */
export interface SlidingLog {
  readonly capacity: number;
  /** Index of the oldest entry. */
  readonly head: number;
  /** Entries in use. */
  readonly length: number;
  /** Admissions in all entries. */
  readonly total: number;
  /** The newest stamp before it was cut to 32 bits. */
  readonly newestTick: number;
  stampAt(index: number): number;
  clear(): void;
  /** Removes the oldest entry and the admissions in it. */
  dropOldest(): void;
  /** Adds an entry with one admission. Never called on a full log. */
  append(tick: number): void;
  /** Adds one admission to the newest entry, which has this stamp. */
  mergeIntoNewest(tick: number): void;
  /**
   * Makes room in a full log: merges one entry into the next, where the neighbours of the entry are
   * no further apart than is usual in the log, and where both together have the fewest admissions.
   * The oldest entry is never merged: nobody knows how far back it reaches.
   */
  mergeSmallest(): void;
  /** Removes up to `count` admissions with this stamp, and returns how many it found. */
  takeOut(tick: number, count: number): number;
}

export interface SlidingWindowRule {
  /** In admissions. */
  readonly limit: number;
  readonly windowTicks: number;
  readonly tickMs: number;
  readonly cost: number;
  /**
   * What is left of the configured limit when all admissions are used: less than one admission
   * costs.
   */
  readonly rest: number;
  /** Whether admissions share entries. */
  readonly isGrouped: boolean;
}

/** The rule for a log that has room for `capacity` entries. */
export function slidingWindowRule(
  configured: { readonly limit: number; readonly windowMs: number; readonly cost: number },
  capacity: number,
): SlidingWindowRule {
  const { windowMs, cost } = configured;
  const limit = admissionsOf(configured.limit, cost);
  assert(limit >= 1, 'a limit admits somebody');
  assert(capacity >= 3, 'a log has entries to merge');
  assert(windowMs > 0 && Number.isFinite(windowMs), 'the window has a length');
  const tickMs = tickOf(windowMs);
  const windowTicks = Math.ceil(windowMs / tickMs);
  const rest = Math.floor(configured.limit) - limit * cost;
  return { limit, windowTicks, tickMs, cost, rest, isGrouped: limit > capacity };
}

/** Whole powers of two, so that no quotient of a time is rounded. */
function tickOf(windowMs: number): number {
  let tickMs = 1;
  while (windowMs / tickMs > WINDOW_TICKS_MAX) tickMs *= 2;
  return tickMs;
}

/** The number of admissions that a limit allows. */
export function admissionsOf(limit: number, cost: number): number {
  return Math.floor(Math.floor(limit) / cost);
}

/** Asks whether an admission would pass; only forgets admissions that have left the window. */
export function peekSlidingWindow(
  log: SlidingLog,
  rule: SlidingWindowRule,
  nowMs: number,
  decision: RateDecision,
): boolean {
  dropExpired(log, rule, nowMs);
  const isAdmitted = log.total < rule.limit;
  decision.admitted = isAdmitted;
  describeRest(log, rule, decision);
  decision.resetMs = log.length === 0 ? 0 : untilOldestLeavesMs(log, rule, nowMs);
  decision.retryAfterMs = isAdmitted ? 0 : Math.max(1, decision.resetMs);
  return isAdmitted;
}

/** Takes the admission that {@link peekSlidingWindow} has just found at the same `nowMs`. */
export function commitSlidingWindow(
  log: SlidingLog,
  rule: SlidingWindowRule,
  nowMs: number,
  decision: RateDecision,
): void {
  take(log, rule, nowMs);
  describeRest(log, rule, decision);
  decision.resetMs = untilOldestLeavesMs(log, rule, nowMs);
}

/** Takes `count` admissions that may be used until `untilMs`, a whole millisecond. */
export function grantSlidingWindow(
  log: SlidingLog,
  rule: SlidingWindowRule,
  count: number,
  untilMs: number,
): void {
  for (let taken = 0; taken < count; taken += 1) take(log, rule, untilMs);
}

/**
 * Gives back the unused admissions of a grant, unless they have left the window. Returns how many
 * came back. A late return must not remove admissions of others from a later time.
 */
export function giveBackSlidingWindow(
  log: SlidingLog,
  rule: SlidingWindowRule,
  count: number,
  [nowMs, untilMs]: readonly [number, number],
): number {
  const untilTick = Math.ceil(untilMs / rule.tickMs);
  if (log.length === 0 || nowMs / rule.tickMs - untilTick >= rule.windowTicks) return 0;
  return log.takeOut(untilTick, count);
}

function take(log: SlidingLog, rule: SlidingWindowRule, atMs: number): void {
  assert(log.total < rule.limit, 'only an admission that was peeked is committed');
  // The log is in order: a clock that went back must not write a stamp older than the newest.
  const atTick = Math.ceil(atMs / rule.tickMs);
  const tick = log.length === 0 ? atTick : Math.max(atTick, log.newestTick);
  if (rule.isGrouped && log.length > 0 && tick === log.newestTick) {
    log.mergeIntoNewest(tick);
    return;
  }
  if (rule.isGrouped && log.length === log.capacity) log.mergeSmallest();
  log.append(tick);
}

function describeRest(log: SlidingLog, rule: SlidingWindowRule, decision: RateDecision): void {
  const left = Math.max(0, rule.limit - log.total);
  decision.admissionsLeft = left;
  decision.remaining = left * rule.cost + rule.rest;
}

/**
 * The cost is constant on average, since an entry is dropped once; one call drops at most
 * `capacity` entries.
 */
function dropExpired(log: SlidingLog, rule: SlidingWindowRule, nowMs: number): void {
  if (log.length === 0) return;
  const nowTick = Math.floor(nowMs / rule.tickMs);
  if (nowTick - log.newestTick >= rule.windowTicks) {
    log.clear();
    return;
  }
  const now32 = nowTick | 0;
  while (log.length > 0 && ((now32 - log.stampAt(log.head)) | 0) >= rule.windowTicks) {
    log.dropOldest();
  }
}

function untilOldestLeavesMs(log: SlidingLog, rule: SlidingWindowRule, nowMs: number): number {
  const { tickMs, windowTicks } = rule;
  const nowTick = Math.floor(nowMs / tickMs);
  const ageTicks = ((nowTick | 0) - log.stampAt(log.head)) | 0;
  return Math.max(0, Math.ceil((windowTicks - ageTicks) * tickMs - (nowMs - nowTick * tickMs)));
}
