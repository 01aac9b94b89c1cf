/**
 * A configured limiter over its table: the policy, and the rows that it decides upon.
 *
 * Thread: coordinator. Owns nothing but a cursor; rows belong to the table.
 */
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { RateDecision } from '../policy/rate-limit/rate-decision.js';
import {
  commitSlidingWindow,
  peekSlidingWindow,
  type SlidingWindowRule,
  slidingWindowRule,
} from '../policy/rate-limit/sliding-window.js';
import {
  commitTokenBucket,
  fillTokenBucket,
  peekTokenBucket,
  type TokenBucketRule,
  tokenBucketRule,
  usedShareOfTokenBucket,
} from '../policy/rate-limit/token-bucket.js';
import { COMPACT_LOG_ENTRIES, WIDE_LOG_ENTRIES, WIDE_LOG_GROUPS } from './state/bucket-layout.js';
import { GroupLogRow, StampLogRow, TokenRow } from './state/bucket-rows.js';
import type { BucketTable } from './state/bucket-table.js';

/** Rows are named by the index of their first word. */
export interface Limiter {
  readonly table: BucketTable;
  /** What a key that nobody used yet has left. */
  readonly fullRemaining: number;
  peek(base: number, nowMs: number, decision: RateDecision): boolean;
  commit(base: number, nowMs: number, decision: RateDecision): void;
  /** Makes a row that was just taken one that nobody used yet. */
  reset(base: number, nowMs: number): void;
  /** 0: at rest; 1: the next ask would be refused. */
  usedShareOf(base: number, nowMs: number, decision: RateDecision): number;
}

/** Whether the limiter's rows need a longer log than a compact row has. */
export function needsWideRow(limiter: CompiledLimiter): boolean {
  return limiter.algorithm === 'slidingWindow' && limiter.limit > COMPACT_LOG_ENTRIES;
}

export function createLimiter(limiter: CompiledLimiter, table: BucketTable): Limiter {
  return limiter.algorithm === 'tokenBucket'
    ? new BucketLimiter(limiter, table)
    : new WindowLimiter(limiter, table);
}

class WindowLimiter implements Limiter {
  readonly fullRemaining: number;
  private readonly row: StampLogRow | GroupLogRow;
  private readonly rule: SlidingWindowRule;

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
  ) {
    this.row = createLogRow(limiter, table);
    this.rule = slidingWindowRule(limiter.limit, limiter.windowMs, this.row.capacity);
    this.fullRemaining = this.rule.limit;
  }

  peek(base: number, nowMs: number, decision: RateDecision): boolean {
    this.row.bind(base);
    return peekSlidingWindow(this.row, this.rule, nowMs, decision);
  }

  commit(base: number, nowMs: number, decision: RateDecision): void {
    this.row.bind(base);
    commitSlidingWindow(this.row, this.rule, nowMs, decision);
  }

  reset(base: number): void {
    this.row.bind(base);
    this.row.clear();
  }

  usedShareOf(base: number, nowMs: number, decision: RateDecision): number {
    return this.peek(base, nowMs, decision) ? this.row.total / this.rule.limit : 1;
  }
}

class BucketLimiter implements Limiter {
  readonly fullRemaining: number;
  private readonly row: TokenRow;
  private readonly rule: TokenBucketRule;

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
  ) {
    this.row = new TokenRow(table.views);
    this.rule = tokenBucketRule(limiter.limit, limiter.windowMs, limiter.burst);
    this.fullRemaining = this.rule.unitsMax / this.rule.unitsPerToken;
  }

  peek(base: number, nowMs: number, decision: RateDecision): boolean {
    this.row.bind(base);
    return peekTokenBucket(this.row, this.rule, nowMs, decision);
  }

  commit(base: number, nowMs: number, decision: RateDecision): void {
    this.row.bind(base);
    commitTokenBucket(this.row, this.rule, nowMs, decision);
  }

  reset(base: number, nowMs: number): void {
    this.row.bind(base);
    fillTokenBucket(this.row, this.rule, nowMs);
  }

  usedShareOf(base: number, nowMs: number, decision: RateDecision): number {
    if (!this.peek(base, nowMs, decision)) return 1;
    return usedShareOfTokenBucket(this.row, this.rule, nowMs);
  }
}

function createLogRow(limiter: CompiledLimiter, table: BucketTable): StampLogRow | GroupLogRow {
  if (!needsWideRow(limiter)) return new StampLogRow(table.views, COMPACT_LOG_ENTRIES);
  return limiter.limit <= WIDE_LOG_ENTRIES
    ? new StampLogRow(table.views, WIDE_LOG_ENTRIES)
    : new GroupLogRow(table.views, WIDE_LOG_GROUPS);
}
