/**
 * What a limit does for the keys that have rows in its table.
 *
 * Thread: coordinator. Types only; limiters.ts has the kinds of limits.
 */
import type { RateDecision } from '../policy/rate-limit/rate-decision.js';
import type { BucketTable } from './state/bucket-table.js';

/** A row is named by the index of its first word. */
export interface Limiter {
  readonly table: BucketTable;
  peek(base: number, nowMs: number, decision: RateDecision): boolean;
  commit(base: number, nowMs: number, decision: RateDecision): void;
  /** After a commit: the latest moment at which a grant may be used; at most `untilMs`. */
  grantUntilMs(base: number, nowMs: number, untilMs: number): number;
  /**
   * How many of `wish` admissions may be granted for use until `untilMs`. The caller knows that the
   * limit has `wish` admissions left.
   */
  grantable(base: number, wish: number, nowMs: number, untilMs: number): number;
  /** Takes `count` admissions, which were found grantable at the same `nowMs`. */
  grant(base: number, count: number, nowMs: number, untilMs: number): void;
  /** Gives back unused admissions of a grant, and returns how many came back. */
  giveBack(base: number, count: number, nowMs: number, untilMs: number): number;
  /** Makes a row that was just taken a row that nobody has used. */
  reset(base: number, nowMs: number): void;
  /** What is left for a key that has no row. */
  describeUnused(decision: RateDecision, high: number, low: number): void;
  /** The used share of the limit. 0: at rest; 1: the next ask would be refused. */
  usedShareOf(base: number, nowMs: number, decision: RateDecision): number;
  /** The previous coordinator may have ended while it wrote the row. */
  repair(base: number): void;
}
