/**
 * Decides for a token bucket whose requests cost what only their replies tell.
 *
 * Thread: any (pure). Time arrives as nowMs; the two numbers of a bucket lie elsewhere.
 *
 * A request takes a reserve when it is admitted. When it ends, its real cost is taken and the
 * reserve comes back. Level and open reserves together never exceed the bucket: what is reserved
 * is no room for refills. So their sum is a bucket of its own, from which each request takes
 * exactly its cost in the moment when that is known.
 *
 * A cost above the reserve is taken as well. The level may go below zero, by one whole bucket at
 * most, and nobody is admitted before it has come back.
 *
 * Invariants: a request is admitted only while its reserve is there, beside those of all requests
 * in flight. Over any time t the costs that are taken, less the debt at its end, are at most
 * burst + t * limit / windowMs.
 */
import { assert } from '../../base/assert.js';
import type { RateDecision } from './rate-decision.js';
import type { TokenBucketRule, TokenBucketState } from './token-bucket.js';

export type ReservedState = Pick<TokenBucketState, 'level' | 'tickMs'>;

/** All is reserved by requests in flight: nobody can predict when one of them ends. */
const ALL_RESERVED_RETRY_MS = 1000;

/** Fills a bucket that nobody has used yet. */
export function fillReservedBucket(
  state: ReservedState,
  rule: TokenBucketRule,
  nowMs: number,
): void {
  state.level = rule.unitsMax;
  state.tickMs = Math.ceil(nowMs);
}

/** Asks whether a reserve is left beside the `held` ones; changes nothing. */
export function peekReserved(
  state: ReservedState,
  rule: TokenBucketRule,
  { nowMs, held }: { readonly nowMs: number; readonly held: number },
  decision: RateDecision,
): boolean {
  const level = levelAt(state, rule, nowMs, held);
  describe(level, rule, held, decision);
  return decision.admitted;
}

/** What is left for a key that has no bucket, of which `held` requests are in flight. */
export function describeUnusedReserved(
  rule: TokenBucketRule,
  held: number,
  decision: RateDecision,
): void {
  describe(roomOf(rule, held), rule, held, decision);
}

/** Takes the reserve that {@link peekReserved} has just found. The caller then holds one more. */
export function commitReserved(
  state: ReservedState,
  rule: TokenBucketRule,
  { nowMs, held }: { readonly nowMs: number; readonly held: number },
  decision: RateDecision,
): void {
  bringUpToDate(state, rule, nowMs, held);
  assert(state.level >= rule.unitsPerTake, 'only a reserve that was peeked is taken');
  state.level -= rule.unitsPerTake;
  describe(state.level, rule, held + 1, decision);
}

/**
 * Counts refills up to now. To be called before `held` changes, since it bounds them: the level
 * that was held back must not come by itself afterwards.
 */
export function bringUpToDate(
  state: ReservedState,
  rule: TokenBucketRule,
  nowMs: number,
  held: number,
): void {
  const level = levelAt(state, rule, nowMs, held);
  // A bucket that became full within this millisecond has no fraction left.
  const isNearlyFull = level + rule.unitsPerMs > roomOf(rule, held);
  const tickMs = isNearlyFull ? Math.ceil(nowMs) : Math.floor(nowMs);
  // The time is written first: without the matching level a refill is lost, not counted twice.
  state.tickMs = Math.max(state.tickMs, tickMs);
  state.level = level;
}

/**
 * Adds tokens to a bucket that is up to date: the difference between a reserve and a cost, negative
 * where the cost was higher. A debt is one whole bucket at most.
 */
export function addToReserved(state: ReservedState, rule: TokenBucketRule, tokens: number): void {
  const level = state.level + tokens * rule.unitsPerToken;
  state.level = Math.max(-rule.unitsMax, level);
}

/** The part of the bucket that is used or reserved: 0 (full) to 1 (empty, or in debt). */
export function usedShareOfReserved(
  state: ReservedState,
  rule: TokenBucketRule,
  nowMs: number,
  held: number,
): number {
  return Math.min(1, 1 - levelAt(state, rule, nowMs, held) / rule.unitsMax);
}

/** What a level can be at most beside these reserves. */
function roomOf(rule: TokenBucketRule, held: number): number {
  return Math.max(0, rule.unitsMax - held * rule.unitsPerTake);
}

function levelAt(state: ReservedState, rule: TokenBucketRule, nowMs: number, held: number): number {
  const elapsedMs = Math.max(0, Math.floor(nowMs) - state.tickMs);
  return Math.min(roomOf(rule, held), state.level + elapsedMs * rule.unitsPerMs);
}

function describe(
  level: number,
  rule: TokenBucketRule,
  held: number,
  decision: RateDecision,
): void {
  const room = roomOf(rule, held);
  decision.admissionsLeft = Math.max(0, Math.floor(level / rule.unitsPerTake));
  decision.admitted = decision.admissionsLeft > 0;
  decision.remaining = Math.max(0, Math.floor(level / rule.unitsPerToken));
  const next = (decision.remaining + 1) * rule.unitsPerToken;
  decision.resetMs = next > room ? 0 : untilMs(level, rule, next);
  if (decision.admitted) {
    decision.retryAfterMs = 0;
    return;
  }
  const isReserved = rule.unitsPerTake > room;
  const waitMs = isReserved ? ALL_RESERVED_RETRY_MS : untilMs(level, rule, rule.unitsPerTake);
  decision.retryAfterMs = Math.max(1, waitMs);
  if (isReserved) decision.resetMs = ALL_RESERVED_RETRY_MS;
}

/** A level counts whole milliseconds only: one more covers the fraction. */
function untilMs(level: number, rule: TokenBucketRule, wanted: number): number {
  return Math.ceil((wanted - level) / rule.unitsPerMs) + 1;
}
