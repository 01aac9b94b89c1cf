/**
 * Decides whether a sliding window has room, from a log of the admissions that lie in it.
 *
 * Thread: any (pure). Time arrives as nowMs; the log lies elsewhere, behind {@link SlidingLog}.
 *
 * Exact log (limit <= capacity): one entry an admission. Grouped log (limit > capacity): the
 * admissions of one millisecond share an entry, and a full log makes room by merging two entries
 * that lie close and have few admissions, which then carry the later stamp.
 *
 * Every error is towards refusing. Stamps are rounded up and the clock is rounded down, so an
 * admission leaves the window less than 2 ms late. In a grouped log it is later by the distance
 * to the entry before its own: at most 2 * window / (capacity - 2), which is window / 63 for 128
 * groups, when admissions are spread evenly, and next to nothing when they come in bursts.
 *
 * Admissions granted in advance carry the latest moment at which they may be used. Those after
 * them carry no older stamp, since the log is in order: late by the validity of a grant at most.
 *
 * Every admission has the same cost, so a limit of `limit` at a cost of `cost` each is one of
 * floor(limit / cost) admissions.
 *
 * Stamps are 32-bit and may wrap: differences are taken as `(a - b) | 0`, which is right while
 * live stamps lie within 2^31 ms; `newestMs` clears a log that rested longer than that.
 * Invariant: at most `limit` admissions lie in any window, whatever the calls before.
 */
import { assert } from '../../base/assert.js';
import type { RateDecision } from './rate-decision.js';

/** Half of what wrap-safe stamps can tell apart: twelve days. */
export const SLIDING_WINDOW_MS_MAX = 2 ** 30;

/** The admissions that count at the moment, oldest first, in a circle of `capacity` entries. */
export interface SlidingLog {
  readonly capacity: number;
  /** Index of the oldest entry. */
  readonly head: number;
  /** Entries in use. */
  readonly length: number;
  /** Admissions in all entries. */
  readonly total: number;
  /** The newest stamp before it was cut to 32 bits. */
  readonly newestMs: number;
  stampAt(index: number): number;
  clear(): void;
  /** Forgets the oldest entry and the admissions in it. */
  dropOldest(): void;
  /** A new entry with one admission. Never called on a full log. */
  append(stampMs: number): void;
  /** One more admission in the newest entry, which has this stamp. */
  mergeIntoNewest(stampMs: number): void;
  /**
   * Makes room in a full log: of entries whose neighbours are no further from each other than is
   * usual in the log, one goes into the one after it, so that both together are the fewest
   * admissions. Never the oldest entry: nobody knows how far back it reaches.
   */
  mergeSmallest(): void;
  /** Takes out up to `count` admissions that were written with this stamp; how many there were. */
  takeOut(stampMs: number, count: number): number;
}

export interface SlidingWindowRule {
  /** In admissions. */
  readonly limit: number;
  readonly windowMs: number;
  readonly cost: number;
  /** What is left of the configured limit when all admissions are used: less than one costs. */
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
  assert(windowMs > 0 && windowMs <= SLIDING_WINDOW_MS_MAX, 'the window fits 32-bit stamps');
  const wholeWindowMs = Math.ceil(windowMs);
  const rest = Math.floor(configured.limit) - limit * cost;
  return { limit, windowMs: wholeWindowMs, cost, rest, isGrouped: limit > capacity };
}

/** Admissions that a limit is good for. */
export function admissionsOf(limit: number, cost: number): number {
  return Math.floor(Math.floor(limit) / cost);
}

/** Asks without taking: only what has left the window is forgotten. */
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

/** Takes what {@link peekSlidingWindow} has just admitted at the same `nowMs`. */
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

/** Takes so many admissions that may be used until `untilMs`, a whole millisecond. */
export function grantSlidingWindow(
  log: SlidingLog,
  rule: SlidingWindowRule,
  count: number,
  untilMs: number,
): void {
  for (let taken = 0; taken < count; taken += 1) take(log, rule, untilMs);
}

/**
 * What was not used of a grant comes back, unless it has left the window; how many did. A late
 * return must not take out what others have admitted since.
 */
export function giveBackSlidingWindow(
  log: SlidingLog,
  rule: SlidingWindowRule,
  count: number,
  [nowMs, untilMs]: readonly [number, number],
): number {
  if (log.length === 0 || nowMs - untilMs >= rule.windowMs) return 0;
  return log.takeOut(untilMs, count);
}

function take(log: SlidingLog, rule: SlidingWindowRule, atMs: number): void {
  assert(log.total < rule.limit, 'only an admission that was peeked is committed');
  // A clock that went back must not write a stamp older than the newest: the log is in order.
  const stampMs = log.length === 0 ? Math.ceil(atMs) : Math.max(Math.ceil(atMs), log.newestMs);
  if (rule.isGrouped && log.length > 0 && stampMs === log.newestMs) {
    log.mergeIntoNewest(stampMs);
    return;
  }
  if (rule.isGrouped && log.length === log.capacity) log.mergeSmallest();
  log.append(stampMs);
}

function describeRest(log: SlidingLog, rule: SlidingWindowRule, decision: RateDecision): void {
  const left = Math.max(0, rule.limit - log.total);
  decision.admissionsLeft = left;
  decision.remaining = left * rule.cost + rule.rest;
}

/** Amortised constant: an entry is dropped once; at most `capacity` entries in one call. */
function dropExpired(log: SlidingLog, rule: SlidingWindowRule, nowMs: number): void {
  if (log.length === 0) return;
  const floorMs = Math.floor(nowMs);
  if (floorMs - log.newestMs >= rule.windowMs) {
    log.clear();
    return;
  }
  const now32 = floorMs | 0;
  while (log.length > 0 && ((now32 - log.stampAt(log.head)) | 0) >= rule.windowMs) {
    log.dropOldest();
  }
}

function untilOldestLeavesMs(log: SlidingLog, rule: SlidingWindowRule, nowMs: number): number {
  const floorMs = Math.floor(nowMs);
  const ageMs = ((floorMs | 0) - log.stampAt(log.head)) | 0;
  return Math.max(0, Math.ceil(rule.windowMs - ageMs - (nowMs - floorMs)));
}
