/**
 * Whether the new side of a split is worse than the old one, by more than chance explains.
 *
 * Thread: any (pure). Rates are compared by the ends of their confidence intervals (Wilson's score
 * interval): even the least that the new side's rate may be has to be above the factor times what
 * the old side's rate may be. So a few bad requests among few decide nothing, whatever the factor.
 */
import { LATENCY_BUCKETS, latencyBucket, latencyQuantileMs } from '../../base/latency-buckets.js';

export interface GuardRule {
  /** How many times the old side's share of errors the new side's may be; 0: not judged. */
  readonly errorsFactor: number;
  /** The same of the latency that 99 % of the requests do not exceed; 0: not judged. */
  readonly p99Factor: number;
  /** Requests that both sides must have had. */
  readonly minRequests: number;
}

/** What one side had in a span of time. */
export interface SideFigures {
  readonly requests: number;
  readonly errors: number;
  /** Of replies, by bucket. */
  readonly latencies: Int32Array;
}

export const VERDICT_GOOD = 0;
export const VERDICT_TOO_FEW = 1;
export const VERDICT_ERRORS = 2;
export const VERDICT_LATENCY = 3;

export type GuardVerdict =
  | typeof VERDICT_GOOD
  | typeof VERDICT_TOO_FEW
  | typeof VERDICT_ERRORS
  | typeof VERDICT_LATENCY;

/** Fewer bad requests than these decide nothing. */
const BAD_REQUESTS_MIN = 5;
/** An old side with fewer errors counts as having this share: no factor says much of nothing. */
const ERROR_RATE_MIN = 0.001;
/** An old side that is faster counts as this slow. */
const P99_MS_MIN = 5;

const P99 = 99;
/** By how many standard deviations the new side has to be worse. */
const DEVIATIONS = 3;
/** How many the old side is given for what its own requests do not say. */
const OLD_DEVIATIONS = 1;

/** Judges what both sides had in the same span of time. */
export function judgeSides(rule: GuardRule, old: SideFigures, next: SideFigures): GuardVerdict {
  if (Math.min(old.requests, next.requests) < rule.minRequests) return VERDICT_TOO_FEW;
  if (hasTooManyErrors(rule, old, next)) return VERDICT_ERRORS;
  return isTooSlow(rule, old, next) ? VERDICT_LATENCY : VERDICT_GOOD;
}

function hasTooManyErrors(
  { errorsFactor }: GuardRule,
  old: SideFigures,
  next: SideFigures,
): boolean {
  if (errorsFactor === 0 || next.errors < BAD_REQUESTS_MIN) return false;
  const oldRate = wilsonBound(old.errors, old.requests, OLD_DEVIATIONS);
  const allowed = errorsFactor * Math.max(oldRate, ERROR_RATE_MIN);
  return wilsonBound(next.errors, next.requests, -DEVIATIONS) > allowed;
}

/** Of the new side one in a hundred may be slower than it may be, and no more. */
function isTooSlow({ p99Factor }: GuardRule, old: SideFigures, next: SideFigures): boolean {
  const total = countOf(next.latencies);
  if (p99Factor === 0 || total === 0) return false;
  const slow = countAbove(next.latencies, p99Factor * Math.max(oldP99Ms(old), P99_MS_MIN));
  if (slow < BAD_REQUESTS_MIN) return false;
  return wilsonBound(slow, total, -DEVIATIONS) > 1 - P99 / 100;
}

/** The latency of the old side, as high as it may be by what its requests say. */
function oldP99Ms({ latencies }: SideFigures): number {
  const total = countOf(latencies);
  if (total === 0) return 0;
  const rank = P99 / 100;
  const unsure = OLD_DEVIATIONS * Math.sqrt((rank * (1 - rank)) / total);
  return latencyQuantileMs(latencies, Math.min(100, P99 + 100 * unsure));
}

/** For people: the latency that 99 % of the requests do not exceed; 0: there were none. */
export function p99MsOf({ latencies }: SideFigures): number {
  return latencyQuantileMs(latencies, P99);
}

/** Those in the bucket of the bound itself are taken to be within it. */
function countAbove(latencies: Int32Array, boundMs: number): number {
  let count = 0;
  for (let at = latencyBucket(boundMs) + 1; at < LATENCY_BUCKETS; at += 1) {
    count += latencies[at] ?? 0;
  }
  return count;
}

function countOf(latencies: Int32Array): number {
  return latencies.reduce((sum, count) => sum + count, 0);
}

/**
 * An end of Wilson's interval for the share of `bad` in `total`: `deviations` standard deviations
 * up, or down where that is negative. 0 to 1.
 */
export function wilsonBound(bad: number, total: number, deviations: number): number {
  if (total === 0) return deviations < 0 ? 0 : 1;
  const share = Math.min(1, bad / total);
  const spread = (deviations * deviations) / total;
  const middle = share + spread / 2;
  const half = deviations * Math.sqrt((share * (1 - share)) / total + spread / (4 * total));
  return Math.min(1, Math.max(0, (middle + half) / (1 + spread)));
}
