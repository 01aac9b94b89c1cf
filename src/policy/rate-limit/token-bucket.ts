/**
 * Decides whether a bucket has a token to spend.
 *
 * Thread: any (pure). Time arrives as nowMs; the two numbers of a bucket lie elsewhere.
 *
 * The level counts whole units, not fractions of tokens: a token is `windowMs` units and every
 * millisecond adds `limit` units, so that no rounding adds up over a long life. Only whole
 * milliseconds refill. A bucket that is nearly full counts its next refill from the end of the
 * current millisecond; any other bucket keeps the fraction for the next time. Both refuse too much
 * rather than too little, by less than 1 ms of refill.
 *
 * A grant takes tokens now that may be used a little later. The unused tokens come back as far as
 * the bucket would have had room for them all the time, which the peaks of the level since the
 * grant show. Peaks are kept from the first grant on, over two stretches of time, so a grant that
 * is older than both brings nothing back. This too refuses too much rather than too little.
 * Invariant: over any time t at most burst + t * limit / windowMs admissions.
 */
import { assert } from '../../base/assert.js';
import type { RateDecision } from './rate-decision.js';

/** Sums of units stay exact below this. A larger burst is cut, which refuses more, not less. */
const UNITS_MAX = 2 ** 52;
/** A pace that is rounded down has at least these units a millisecond: it loses 1 in 10,000. */
const ROUGH_UNITS_MIN = 10_000;

export interface TokenBucketState {
  /** Units at `tickMs`. */
  level: number;
  /** Whole milliseconds up to which refills are in `level`. */
  tickMs: number;
  /** Beginning of the newer stretch; {@link NO_GRANT_MS}: there was no grant yet. */
  newerMs: number;
  /** Highest level in the newer stretch. */
  newerPeak: number;
  /** Beginning of the earlier stretch. */
  olderMs: number;
  olderPeak: number;
}

/** Least length of a stretch: no grant that may still be used is older than both stretches. */
const PEAK_STRETCH_MS = 200;
const NO_GRANT_MS = -1;

export interface TokenBucketRule {
  readonly unitsPerToken: number;
  /** Units that one admission takes. */
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
  const exactWindowMs = Math.ceil(windowMs);
  assert(exactWindowMs >= 1 && exactWindowMs <= UNITS_MAX, 'the window is countable');
  const pace = paceOf(wholeLimit, exactWindowMs, burst);
  const tokensMax = Math.min(Math.floor(burst), Math.floor(UNITS_MAX / pace.unitsPerToken));
  return {
    ...pace,
    unitsPerTake: pace.unitsPerToken * Math.min(cost, tokensMax),
    unitsMax: tokensMax * pace.unitsPerToken,
  };
}

/**
 * A large burst over a long window may be more units than can be counted. Then the bucket refills
 * a little slower: with units that are as small as they can be, or where even these would be too
 * few, with a token after a whole number of milliseconds.
 */
function paceOf(
  limit: number,
  windowMs: number,
  burst: number,
): Pick<TokenBucketRule, 'unitsPerToken' | 'unitsPerMs'> {
  const divisor = greatestCommonDivisor(limit, windowMs);
  const exact = { unitsPerToken: windowMs / divisor, unitsPerMs: limit / divisor };
  if (burst * exact.unitsPerToken <= UNITS_MAX) return exact;
  const unitsPerToken = Math.floor(UNITS_MAX / Math.max(limit, burst));
  const unitsPerMs = Math.floor((limit * unitsPerToken) / windowMs);
  if (unitsPerMs >= ROUGH_UNITS_MIN) return { unitsPerToken, unitsPerMs };
  return { unitsPerToken: Math.ceil(windowMs / limit), unitsPerMs: 1 };
}

/** Fills a bucket that nobody has used yet. */
export function fillTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
): void {
  state.level = rule.unitsMax;
  state.tickMs = Math.ceil(nowMs);
  state.newerMs = NO_GRANT_MS;
}

/** Asks whether an admission would pass; changes nothing, so that asking often loses no refill. */
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
  // A bucket that became full within this millisecond has no fraction left.
  const isNearlyFull = level + rule.unitsPerMs > rule.unitsMax;
  const tickMs = isNearlyFull ? Math.ceil(nowMs) : Math.floor(nowMs);
  if (state.newerMs !== NO_GRANT_MS) notePeak(state, level, nowMs);
  // The time is written first: without the matching level a refill is lost, not counted twice.
  state.tickMs = Math.max(state.tickMs, tickMs);
  state.level = level - rule.unitsPerTake;
  describeLevel(state, rule, nowMs, decision);
}

/**
 * How many of `count` admissions may be granted that are used until `untilMs`. The rule is the same
 * as if all were used at that moment: a nearly full bucket loses what it would gain until then.
 */
export function grantableOfTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  nowMs: number,
  untilMs: number,
): number {
  return Math.max(0, Math.floor(levelForGrant(state, rule, nowMs, untilMs) / rule.unitsPerTake));
}

/** Takes `count` admissions that may be used until `untilMs`. */
export function grantTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  count: number,
  [nowMs, untilMs]: readonly [number, number],
): void {
  const level = levelForGrant(state, rule, nowMs, untilMs) - count * rule.unitsPerTake;
  assert(level >= 0, 'only tokens that are there are granted');
  notePeak(state, levelAt(state, rule, nowMs), nowMs);
  state.tickMs = Math.max(state.tickMs, Math.floor(nowMs));
  state.level = level;
}

/**
 * Gives back the unused admissions of a grant of `grantedMs`, and returns how many came back.
 * `validMs` is the longest time for which a grant is valid: another worker may use its grant as
 * late as that, and until then the bucket must not be too full for it.
 */
export function giveBackTokenBucket(
  state: TokenBucketState,
  rule: TokenBucketRule,
  count: number,
  {
    nowMs,
    grantedMs,
    validMs,
  }: { readonly nowMs: number; readonly grantedMs: number; readonly validMs: number },
): number {
  if (state.newerMs === NO_GRANT_MS || grantedMs < state.olderMs) return 0;
  assert(validMs <= PEAK_STRETCH_MS, 'peaks reach back to every grant that may be used');
  const level = levelAt(state, rule, nowMs);
  notePeak(state, level, nowMs);
  const peak = Math.max(state.newerPeak, state.olderPeak);
  const room = rule.unitsMax - (validMs + 2) * rule.unitsPerMs - peak;
  const given = Math.min(count, Math.floor(room / rule.unitsPerTake));
  if (given <= 0) return 0;
  const units = given * rule.unitsPerTake;
  // The level becomes what it would be had the tokens never been taken. The peaks are written
  // first: if the thread ends in between, less comes back.
  state.olderPeak += units;
  state.newerPeak += units;
  state.tickMs = Math.max(state.tickMs, Math.floor(nowMs));
  state.level = level + units;
  return given;
}

/** The level only grows between two takes, so its peaks are where something is taken. */
function notePeak(state: TokenBucketState, level: number, nowMs: number): void {
  if (state.newerMs === NO_GRANT_MS) {
    state.newerPeak = level;
    state.olderPeak = level;
    state.olderMs = Math.floor(nowMs);
    state.newerMs = Math.floor(nowMs);
    return;
  }
  if (nowMs < state.newerMs + PEAK_STRETCH_MS) {
    state.newerPeak = Math.max(state.newerPeak, level);
    return;
  }
  // In this order no peak is lost that a grant still depends on, wherever the thread ends.
  state.olderMs = state.newerMs;
  state.olderPeak = Math.max(state.newerPeak, level);
  state.newerMs = Math.floor(nowMs);
  state.newerPeak = level;
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
