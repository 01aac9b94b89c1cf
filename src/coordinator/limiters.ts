/**
 * A configured limiter over its table: the policy, and the rows by which it decides.
 *
 * Thread: coordinator. Owns nothing but a cursor; rows belong to the table.
 */
import type { CompiledLimiter } from '../config/compiled-config.js';
import {
  clearFixedWindow,
  commitFixedWindow,
  type FixedWindowRule,
  fixedWindowRule,
  giveBackFixedWindow,
  grantFixedWindow,
  grantUntilOfFixedWindow,
  peekFixedWindow,
} from '../policy/rate-limit/fixed-window.js';
import type { RateDecision } from '../policy/rate-limit/rate-decision.js';
import {
  admissionsOf,
  commitSlidingWindow,
  giveBackSlidingWindow,
  grantSlidingWindow,
  peekSlidingWindow,
  type SlidingWindowRule,
  slidingWindowRule,
} from '../policy/rate-limit/sliding-window.js';
import {
  commitTokenBucket,
  fillTokenBucket,
  giveBackTokenBucket,
  grantableOfTokenBucket,
  grantTokenBucket,
  peekTokenBucket,
  type TokenBucketRule,
  tokenBucketRule,
  usedShareOfTokenBucket,
} from '../policy/rate-limit/token-bucket.js';
import { keyGrantRule } from './key-grant-rule.js';
import type { Limiter } from './limiter.js';
import { type HeldCounts, NOTHING_HELD, ReservedLimiter } from './reserved-limiter.js';
import {
  COMPACT_LOG_ENTRIES,
  COMPACT_ROW_WORDS,
  LARGE_LOG_GROUPS,
  LARGE_ROW_WORDS,
  WIDE_LOG_ENTRIES,
  WIDE_ROW_WORDS,
} from './state/bucket-layout.js';
import { GroupLogRow, StampLogRow, TokenRow, WindowRow } from './state/bucket-rows.js';
import type { BucketTable } from './state/bucket-table.js';

/** Words of one row of the limiter, which determine its table. */
export function rowWordsOf(limiter: CompiledLimiter): number {
  if (limiter.algorithm !== 'slidingWindow') return COMPACT_ROW_WORDS;
  const admissions = admissionsOf(limiter.limit, limiter.cost);
  if (admissions <= COMPACT_LOG_ENTRIES) return COMPACT_ROW_WORDS;
  return admissions <= WIDE_LOG_ENTRIES ? WIDE_ROW_WORDS : LARGE_ROW_WORDS;
}

/** Whether the limiter has rows in a table at all. */
export function needsRow(limiter: CompiledLimiter): boolean {
  return limiter.algorithm !== 'inFlight' && limiter.mode !== 'off';
}

/** `held`: how many requests of a key are in flight, for limits with reserves. */
export function createLimiter(
  limiter: CompiledLimiter,
  table: BucketTable,
  held: HeldCounts = NOTHING_HELD,
): Limiter {
  if (limiter.told !== undefined) return new ReservedLimiter(limiter, table, held);
  switch (limiter.algorithm) {
    case 'tokenBucket':
      return new BucketLimiter(limiter, table);
    case 'fixedWindow':
      return new FixedLimiter(limiter, table);
    default:
      return new WindowLimiter(limiter, table);
  }
}

function fillUnused(decision: RateDecision, admissions: number, remaining: number): void {
  decision.admitted = true;
  decision.admissionsLeft = admissions;
  decision.remaining = remaining;
  decision.resetMs = 0;
  decision.retryAfterMs = 0;
}

class WindowLimiter implements Limiter {
  private readonly row: StampLogRow | GroupLogRow;
  private readonly rule: SlidingWindowRule;
  private readonly isGrouped: boolean;

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
  ) {
    this.row = createLogRow(table);
    this.rule = slidingWindowRule(limiter, this.row.capacity);
    this.isGrouped = this.row instanceof GroupLogRow;
  }

  peek(base: number, nowMs: number, decision: RateDecision): boolean {
    this.bind(base);
    return peekSlidingWindow(this.row, this.rule, nowMs, decision);
  }

  commit(base: number, nowMs: number, decision: RateDecision): void {
    this.bind(base);
    commitSlidingWindow(this.row, this.rule, nowMs, decision);
  }

  grantUntilMs(_base: number, _nowMs: number, untilMs: number): number {
    return untilMs;
  }

  grantable(_base: number, wish: number): number {
    return wish;
  }

  grant(base: number, count: number, _nowMs: number, untilMs: number): void {
    this.bind(base);
    grantSlidingWindow(this.row, this.rule, count, untilMs);
  }

  giveBack(base: number, count: number, nowMs: number, untilMs: number): number {
    this.bind(base);
    return giveBackSlidingWindow(this.row, this.rule, count, [nowMs, untilMs]);
  }

  reset(base: number): void {
    this.bind(base);
    this.row.clear();
  }

  describeUnused(decision: RateDecision): void {
    const { limit, cost, rest } = this.rule;
    fillUnused(decision, limit, limit * cost + rest);
  }

  usedShareOf(base: number, nowMs: number, decision: RateDecision): number {
    return this.peek(base, nowMs, decision) ? this.row.total / this.rule.limit : 1;
  }

  repair(base: number): void {
    if (!(this.row instanceof GroupLogRow)) return;
    this.row.bind(base);
    this.row.repair();
  }

  private bind(base: number): void {
    if (this.isGrouped) this.table.noteTouched(base);
    this.row.bind(base);
  }
}

class FixedLimiter implements Limiter {
  private readonly row: WindowRow;
  private readonly rule: FixedWindowRule;

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
  ) {
    this.row = new WindowRow(table.views);
    this.rule = fixedWindowRule(limiter);
  }

  peek(base: number, nowMs: number, decision: RateDecision): boolean {
    this.row.bind(base);
    return peekFixedWindow(this.row, this.rule, nowMs, decision);
  }

  commit(base: number, nowMs: number, decision: RateDecision): void {
    this.row.bind(base);
    commitFixedWindow(this.row, this.rule, nowMs, decision);
  }

  grantUntilMs(base: number, nowMs: number, untilMs: number): number {
    this.row.bind(base);
    return grantUntilOfFixedWindow(this.row, this.rule, nowMs, untilMs);
  }

  grantable(_base: number, wish: number): number {
    return wish;
  }

  grant(base: number, count: number, nowMs: number): void {
    this.row.bind(base);
    grantFixedWindow(this.row, this.rule, count, nowMs);
  }

  giveBack(base: number, count: number, _nowMs: number, untilMs: number): number {
    this.row.bind(base);
    return giveBackFixedWindow(this.row, this.rule, count, untilMs);
  }

  reset(base: number): void {
    this.row.bind(base);
    clearFixedWindow(this.row);
  }

  describeUnused(decision: RateDecision): void {
    const { limit, cost, rest } = this.rule;
    fillUnused(decision, limit, limit * cost + rest);
  }

  usedShareOf(base: number, nowMs: number, decision: RateDecision): number {
    this.peek(base, nowMs, decision);
    return 1 - decision.admissionsLeft / this.rule.limit;
  }

  repair(): void {}
}

class BucketLimiter implements Limiter {
  private readonly row: TokenRow;
  private readonly rule: TokenBucketRule;
  /** Longest validity of a grant: a grant was made at most this long before its last moment. */
  private readonly validMs: number;

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
  ) {
    this.row = new TokenRow(table.views);
    this.rule = tokenBucketRule(limiter);
    this.validMs = keyGrantRule(limiter).validMs;
  }

  peek(base: number, nowMs: number, decision: RateDecision): boolean {
    this.row.bind(base);
    return peekTokenBucket(this.row, this.rule, nowMs, decision);
  }

  commit(base: number, nowMs: number, decision: RateDecision): void {
    this.row.bind(base);
    commitTokenBucket(this.row, this.rule, nowMs, decision);
  }

  grantUntilMs(_base: number, _nowMs: number, untilMs: number): number {
    return untilMs;
  }

  grantable(base: number, wish: number, nowMs: number, untilMs: number): number {
    this.row.bind(base);
    return Math.min(wish, grantableOfTokenBucket(this.row, this.rule, nowMs, untilMs));
  }

  grant(base: number, count: number, nowMs: number, untilMs: number): void {
    this.row.bind(base);
    grantTokenBucket(this.row, this.rule, count, [nowMs, untilMs]);
  }

  giveBack(base: number, count: number, nowMs: number, untilMs: number): number {
    this.row.bind(base);
    return giveBackTokenBucket(this.row, this.rule, count, {
      nowMs,
      grantedMs: untilMs - this.validMs,
      validMs: this.validMs,
    });
  }

  reset(base: number, nowMs: number): void {
    this.row.bind(base);
    fillTokenBucket(this.row, this.rule, nowMs);
  }

  describeUnused(decision: RateDecision): void {
    const { unitsMax, unitsPerTake, unitsPerToken } = this.rule;
    const tokens = Math.floor(unitsMax / unitsPerToken);
    fillUnused(decision, Math.floor(unitsMax / unitsPerTake), tokens);
  }

  usedShareOf(base: number, nowMs: number, decision: RateDecision): number {
    if (!this.peek(base, nowMs, decision)) return 1;
    return usedShareOfTokenBucket(this.row, this.rule, nowMs);
  }

  repair(): void {}
}

function createLogRow(table: BucketTable): StampLogRow | GroupLogRow {
  switch (table.rowWords) {
    case COMPACT_ROW_WORDS:
      return new StampLogRow(table.views, COMPACT_LOG_ENTRIES);
    case WIDE_ROW_WORDS:
      return new StampLogRow(table.views, WIDE_LOG_ENTRIES);
    default:
      return new GroupLogRow(table.views, LARGE_LOG_GROUPS);
  }
}
