/**
 * A configured limiter over its table: the policy, and the rows that it decides upon.
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
  grantableOfTokenBucket,
  grantTokenBucket,
  peekTokenBucket,
  type TokenBucketRule,
  tokenBucketRule,
  usedShareOfTokenBucket,
} from '../policy/rate-limit/token-bucket.js';
import { COMPACT_LOG_ENTRIES, WIDE_LOG_ENTRIES, WIDE_LOG_GROUPS } from './state/bucket-layout.js';
import { GroupLogRow, StampLogRow, TokenRow, WindowRow } from './state/bucket-rows.js';
import type { BucketTable } from './state/bucket-table.js';

/** Rows are named by the index of their first word. */
export interface Limiter {
  readonly table: BucketTable;
  peek(base: number, nowMs: number, decision: RateDecision): boolean;
  commit(base: number, nowMs: number, decision: RateDecision): void;
  /**
   * After a commit: takes up to `wish` admissions that may be used until `untilMs`, or sooner.
   * How many; {@link grantedUntilMs} says until when.
   */
  grant(base: number, wish: number, nowMs: number, untilMs: number): number;
  readonly grantedUntilMs: number;
  /** What was not used of a grant; how many came back. */
  giveBack(base: number, count: number, nowMs: number, untilMs: number): number;
  /** Makes a row that was just taken one that nobody used yet. */
  reset(base: number, nowMs: number): void;
  /** What a key that nobody used yet has left. */
  describeUnused(decision: RateDecision): void;
  /** 0: at rest; 1: the next ask would be refused. */
  usedShareOf(base: number, nowMs: number, decision: RateDecision): number;
  /** The coordinator before this one may have ended while it wrote the row. */
  repair(base: number): void;
}

/** Whether the limiter's rows need a longer log than a compact row has. */
export function needsWideRow(limiter: CompiledLimiter): boolean {
  if (limiter.algorithm !== 'slidingWindow') return false;
  return admissionsOf(limiter.limit, limiter.cost) > COMPACT_LOG_ENTRIES;
}

/** Whether the limiter has rows in a table at all. */
export function needsRow(limiter: CompiledLimiter): boolean {
  return limiter.algorithm !== 'inFlight' && limiter.mode !== 'off';
}

export function createLimiter(limiter: CompiledLimiter, table: BucketTable): Limiter {
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
  grantedUntilMs = 0;
  private readonly row: StampLogRow | GroupLogRow;
  private readonly rule: SlidingWindowRule;
  private readonly isGrouped: boolean;

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
  ) {
    this.row = createLogRow(limiter, table);
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

  grant(base: number, wish: number, _nowMs: number, untilMs: number): number {
    this.bind(base);
    this.grantedUntilMs = untilMs;
    grantSlidingWindow(this.row, this.rule, wish, untilMs);
    return wish;
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
  grantedUntilMs = 0;
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

  grant(base: number, wish: number, nowMs: number, untilMs: number): number {
    this.row.bind(base);
    this.grantedUntilMs = grantUntilOfFixedWindow(this.row, this.rule, nowMs, untilMs);
    if (this.grantedUntilMs <= nowMs) return 0;
    grantFixedWindow(this.row, this.rule, wish, nowMs);
    return wish;
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
  grantedUntilMs = 0;
  private readonly row: TokenRow;
  private readonly rule: TokenBucketRule;

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
  ) {
    this.row = new TokenRow(table.views);
    this.rule = tokenBucketRule(limiter);
  }

  peek(base: number, nowMs: number, decision: RateDecision): boolean {
    this.row.bind(base);
    return peekTokenBucket(this.row, this.rule, nowMs, decision);
  }

  commit(base: number, nowMs: number, decision: RateDecision): void {
    this.row.bind(base);
    commitTokenBucket(this.row, this.rule, nowMs, decision);
  }

  grant(base: number, wish: number, nowMs: number, untilMs: number): number {
    this.row.bind(base);
    this.grantedUntilMs = untilMs;
    const count = Math.min(wish, grantableOfTokenBucket(this.row, this.rule, nowMs, untilMs));
    if (count > 0) grantTokenBucket(this.row, this.rule, count, [nowMs, untilMs]);
    return count;
  }

  giveBack(): number {
    return 0;
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

function createLogRow(limiter: CompiledLimiter, table: BucketTable): StampLogRow | GroupLogRow {
  if (!needsWideRow(limiter)) return new StampLogRow(table.views, COMPACT_LOG_ENTRIES);
  return admissionsOf(limiter.limit, limiter.cost) <= WIDE_LOG_ENTRIES
    ? new StampLogRow(table.views, WIDE_LOG_ENTRIES)
    : new GroupLogRow(table.views, WIDE_LOG_GROUPS);
}
