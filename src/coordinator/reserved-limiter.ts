/**
 * A limit whose requests cost what their replies tell: see policy/rate-limit/reserved-bucket.ts.
 *
 * Thread: coordinator. Owns nothing but a cursor; rows belong to the table. How many reserves a key
 * holds is counted by the tickets of requests in flight.
 */
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { RateDecision } from '../policy/rate-limit/rate-decision.js';
import {
  addToReserved,
  bringUpToDate,
  commitReserved,
  describeUnusedReserved,
  fillReservedBucket,
  peekReserved,
  usedShareOfReserved,
} from '../policy/rate-limit/reserved-bucket.js';
import { type TokenBucketRule, tokenBucketRule } from '../policy/rate-limit/token-bucket.js';
import type { Limiter } from './limiter.js';
import { ROW_HIGH_WORD, ROW_LOW_WORD } from './state/bucket-layout.js';
import { TokenRow } from './state/bucket-rows.js';
import type { BucketTable } from './state/bucket-table.js';

/** How many requests of a key are in flight under a limit. */
export interface HeldCounts {
  countOf(limiterIndex: number, high: number, low: number): number;
}

export const NOTHING_HELD: HeldCounts = { countOf: () => 0 };

export class ReservedLimiter implements Limiter {
  private readonly row: TokenRow;
  private readonly rule: TokenBucketRule;
  private readonly index: number;
  private readonly now = { nowMs: 0, held: 0 };

  constructor(
    limiter: CompiledLimiter,
    readonly table: BucketTable,
    private readonly counts: HeldCounts,
  ) {
    this.row = new TokenRow(table.views);
    this.rule = tokenBucketRule(limiter);
    this.index = limiter.index;
  }

  peek(base: number, nowMs: number, decision: RateDecision): boolean {
    return peekReserved(this.row, this.rule, this.bind(base, nowMs), decision);
  }

  commit(base: number, nowMs: number, decision: RateDecision): void {
    commitReserved(this.row, this.rule, this.bind(base, nowMs), decision);
  }

  /** Nothing is granted in advance: nobody could tell whose cost it was. */
  grantUntilMs(): number {
    return Number.NEGATIVE_INFINITY;
  }

  grantable(): number {
    return 0;
  }

  grant(): void {}

  giveBack(): number {
    return 0;
  }

  reset(base: number, nowMs: number): void {
    this.row.bind(base);
    fillReservedBucket(this.row, this.rule, nowMs);
  }

  describeUnused(decision: RateDecision, high: number, low: number): void {
    const held = this.counts.countOf(this.index, high, low);
    describeUnusedReserved(this.rule, held, decision);
  }

  usedShareOf(base: number, nowMs: number, decision: RateDecision): number {
    if (!this.peek(base, nowMs, decision)) return 1;
    return usedShareOfReserved(this.row, this.rule, nowMs, this.now.held);
  }

  repair(): void {}

  /** A reserve of the row is about to be given up. */
  bringUpToDate(base: number, nowMs: number): void {
    const { held } = this.bind(base, nowMs);
    bringUpToDate(this.row, this.rule, nowMs, held);
  }

  /** After {@link bringUpToDate} at the same time: tokens come back, or more are taken. */
  add(base: number, tokens: number): void {
    this.row.bind(base);
    addToReserved(this.row, this.rule, tokens);
  }

  private bind(base: number, nowMs: number): { readonly nowMs: number; readonly held: number } {
    const { words } = this.table.views;
    this.row.bind(base);
    this.now.nowMs = nowMs;
    const [high, low] = [words[base + ROW_HIGH_WORD], words[base + ROW_LOW_WORD]];
    this.now.held = this.counts.countOf(this.index, high as number, low as number);
    return this.now;
  }
}
