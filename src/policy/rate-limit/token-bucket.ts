/**
 * Decides whether a bucket has a token to spend.
 *
 * Thread: any (pure). Time arrives as nowMs; the two numbers of a bucket lie elsewhere.
 *
 * The level is a count of units in whole numbers, not a fraction of tokens: a token is
 * `windowMs` units and every millisecond adds `limit` of them, so that no rounding adds up over
 * a long life. Only whole milliseconds refill. A bucket about to be full counts its next refill
 * from the end of the current millisecond; any other keeps the fraction for the next time.
 * Both err towards refusing, by less than 1 ms of refill.
 *
 * A grant takes tokens now that may be used a little later. A token bucket can not tell what it
 * would have gained without it, so what is left of a grant is not given back.
 * Invariant: over any time t at most burst + t * limit / windowMs admissions.
 */
import { assert } from '../../base/assert.js';
import type { RateDecision } from './rate-decision.js';

/** Sums of units stay exact below this. A burst beyond it is cut, which refuses more, not less. */
const UNITS_MAX = 2 ** 52;

export interface TokenBucketState {
  /** Units at `tickMs`. */
  level: number;
  /** Whole milliseconds up to which refills are in `level`. */
  tickMs: number;
}

export interface TokenBucketRule {
  readonly unitsPerToken: number;
  /** What one admission takes. */
  readonly unitsPerTake: number;
  readonly unitsPerMs: number;
  readonly unitsMax: number;
}

export interface TokenBucketConfig {
  readonly limit: number;
  readonly windowMs: number;
  readonly burst: number;
  readonly cost: number;
}

export function tokenBucketRule(config: TokenBucketConfig): TokenBucketRule {
  const { limit, windowMs, burst, cost } = config;
  assert(limit >= 1 && burst >= 1, 'a bucket refills, and holds a token');
  const wholeLimit = Math.floor(limit);
  const wholeWindowMs = Math.ceil(windowMs);
  assert(wholeWindowMs >= 1 && wholeWindowMs <= UNITS_MAX, 'the window is countable');
  const divisor = greatestCommonDivisor(wholeLimit, wholeWindowMs);
  const unitsPerToken = wholeWindowMs / divisor;
  const tokensMax = Math.min(Math.floor(burst), Math.floor(UNITS_MAX / unitsPerToken));
  return {
    unitsPerToken,
    unitsPerTake: unitsPerToken * Math.min(cost, tokensMax),
    unitsPerMs: wholeLimit / divisor,
    unitsMax: tokensMax * unitsPerToken,
  };
}

/** A bucket that nobody used yet. */
export function fillTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
): void {
  state.level = rule.unitsMax;
  state.tickMs = Math.ceil(nowMs);
}

/** Asks without taking; changes nothing, so that asking often loses no refill. */
export function peekTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
  decision: RateDecision,
): boolean {
  const level = levelAt(state, rule, nowMs);
  const isAdmitted = level >= rule.unitsPerTake;
  decision.admitted = isAdmitted;
  describeLevel(state, rule, nowMs, decision);
  decision.retryAfterMs = isAdmitted
    ? 0
    : Math.max(1, untilLevelMs(state, rule, nowMs, rule.unitsPerTake));
  return isAdmitted;
}

/** Takes the token that {@link peekTokenBucket} has just found at the same `nowMs`. */
export function commitTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
  decision: RateDecision,
): void {
  const level = levelAt(state, rule, nowMs);
  assert(level >= rule.unitsPerTake, 'only a token that was peeked is taken');
  // A true bucket that became full within this millisecond has lost its fraction already.
  const isNearlyFull = level + rule.unitsPerMs > rule.unitsMax;
  const tickMs = isNearlyFull ? Math.ceil(nowMs) : Math.floor(nowMs);
  // The time first: without the level that belongs to it a refill is lost, not counted twice.
  state.tickMs = Math.max(state.tickMs, tickMs);
  state.level = level - rule.unitsPerTake;
  describeLevel(state, rule, nowMs, decision);
}

/**
 * How many of `count` admissions may be granted that are used until `untilMs`. It is as if they
 * were used then: what a nearly full bucket would gain until then is lost to it.
 */
export function grantableOfTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
  untilMs: number,
): number {
  return Math.max(0, Math.floor(levelForGrant(state, rule, nowMs, untilMs) / rule.unitsPerTake));
}

/** Takes so many admissions that may be used until `untilMs`. They do not come back. */
export function grantTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  count: number,
  [nowMs, untilMs]: readonly [number, number],
): void {
  const level = levelForGrant(state, rule, nowMs, untilMs) - count * rule.unitsPerTake;
  assert(level >= 0, 'only tokens that are there are granted');
  state.tickMs = Math.max(state.tickMs, Math.floor(nowMs));
  state.level = level;
}

function levelForGrant(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
  untilMs: number,
): number {
  const gainUntil = (Math.ceil(untilMs) - Math.floor(nowMs) + 1) * rule.unitsPerMs;
  return Math.min(levelAt(state, rule, nowMs), rule.unitsMax - gainUntil);
}

/** The part of the bucket that is used, 0 (full) to 1 (empty). */
export function usedShareOfTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
): number {
  return 1 - levelAt(state, rule, nowMs) / rule.unitsMax;
}

function levelAt(state: TokenBucketState, rule: TokenBucketRule, nowMs: number): number {
  const elapsedMs = Math.max(0, Math.floor(nowMs) - state.tickMs);
  return Math.min(rule.unitsMax, state.level + elapsedMs * rule.unitsPerMs);
}

function describeLevel(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
  decision: RateDecision,
): void {
  const level = levelAt(state, rule, nowMs);
  decision.admissionsLeft = Math.floor(level / rule.unitsPerTake);
  decision.remaining = Math.floor(level / rule.unitsPerToken);
  const wanted = (decision.remaining + 1) * rule.unitsPerToken;
  decision.resetMs = wanted > rule.unitsMax ? 0 : untilLevelMs(state, rule, nowMs, wanted);
}

function untilLevelMs(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
  wanted: number,
): number {
  const reachedMs = state.tickMs + Math.ceil((wanted - state.level) / rule.unitsPerMs);
  return Math.max(0, Math.ceil(reachedMs - nowMs));
}

function greatestCommonDivisor(a: number, b: number): number {
  let [large, small] = [a, b];
  while (small > 0) [large, small] = [small, large % small];
  return large;
}
