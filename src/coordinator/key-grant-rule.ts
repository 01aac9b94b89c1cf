/**
 * Decides how many admissions of a hot key a worker may get in advance, and for how long.
 *
 * Thread: any (pure). Admissions granted in advance are missing from the limit until they are used
 * or given back. So only large limits with plenty left grant any, and only for a short time. A
 * small limit is exact to the last request, whichever worker asks.
 */
import { KEY_GRANT_LIMIT_MIN } from '../channel/coordinator/coordinator-records.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import { admissionsOf } from '../policy/rate-limit/sliding-window.js';

/** Longest validity of a grant. */
const KEY_GRANT_VALID_MS_MAX = 100;
/** A window must be at least this many times as long as a grant. */
const WINDOW_PARTS_MIN = 200;
/**
 * Like WINDOW_PARTS_MIN, for sliding windows. A sliding window counts each granted admission as
 * used at the last moment, so it leaves the window late by the validity of the grant: the grant
 * must be short in proportion.
 */
const SLIDING_WINDOW_PARTS = 5000;
/** A shorter grant would be over before its reply arrives. */
const VALID_MS_MIN = 2;

export interface KeyGrantRule {
  /** How long a grant may be used; 0: this limit grants nothing in advance. */
  readonly validMs: number;
  /** Admissions that are never given in advance: a quarter of the limit. */
  readonly reserve: number;
}

export const NO_KEY_GRANTS: KeyGrantRule = { validMs: 0, reserve: 0 };

export function keyGrantRule(limiter: CompiledLimiter): KeyGrantRule {
  const admissions = admissionsOf(limiter.limit, limiter.cost);
  const longestMs = Math.min(KEY_GRANT_VALID_MS_MAX, limiter.windowMs / WINDOW_PARTS_MIN);
  const isSliding = limiter.algorithm === 'slidingWindow';
  const wantedMs = isSliding ? limiter.windowMs / SLIDING_WINDOW_PARTS : longestMs;
  const validMs = Math.floor(Math.min(longestMs, Math.max(VALID_MS_MIN, wantedMs)));
  const isFixed = limiter.told === undefined;
  const isLarge = isFixed && admissions >= KEY_GRANT_LIMIT_MIN && validMs >= VALID_MS_MIN;
  return { validMs: isLarge ? validMs : 0, reserve: Math.ceil(admissions / 4) };
}

/** How many of the `left` admissions one of `workers` workers may get. */
export function keyGrantCount(
  rule: KeyGrantRule,
  wish: number,
  { left, workers }: { readonly left: number; readonly workers: number },
): number {
  if (rule.validMs === 0) return 0;
  return Math.max(0, Math.min(wish, Math.floor((left - rule.reserve) / (2 * workers))));
}
