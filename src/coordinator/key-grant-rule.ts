/**
 * Says how many admissions of a hot key a worker may get in advance, and for how long.
 *
 * Thread: any (pure). Admissions granted in advance are gone from the limit until they are used or
 * given back, so they come only out of large limits of which plenty is left, and only for a short
 * time. A small limit is exact to the last request, whichever worker asks.
 */
import { KEY_GRANT_LIMIT_MIN } from '../channel/coordinator/coordinator-records.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import { admissionsOf } from '../policy/rate-limit/sliding-window.js';

/** Longest validity. */
export const KEY_GRANT_VALID_MS_MAX = 100;
/** A window is at least so many times as long. */
const WINDOW_PARTS_MIN = 200;
/**
 * Admissions of a sliding window leave it late by as long as a grant is good: they are counted as
 * if each was used at the last moment. So grants are short there, where the window allows it.
 */
const SLIDING_WINDOW_PARTS = 5000;
/** A grant that is over before its reply is there is of no use. */
const VALID_MS_MIN = 2;

export interface KeyGrantRule {
  /** 0: this limit grants nothing in advance. */
  readonly validMs: number;
  /** Admissions that are not given in advance: a quarter of the limit. */
  readonly reserve: number;
}

export function keyGrantRule(limiter: CompiledLimiter): KeyGrantRule {
  const admissions = admissionsOf(limiter.limit, limiter.cost);
  const longestMs = Math.min(KEY_GRANT_VALID_MS_MAX, limiter.windowMs / WINDOW_PARTS_MIN);
  const isSliding = limiter.algorithm === 'slidingWindow';
  const wantedMs = isSliding ? limiter.windowMs / SLIDING_WINDOW_PARTS : longestMs;
  const validMs = Math.floor(Math.min(longestMs, Math.max(VALID_MS_MIN, wantedMs)));
  const isLarge = admissions >= KEY_GRANT_LIMIT_MIN && validMs >= VALID_MS_MIN;
  return { validMs: isLarge ? validMs : 0, reserve: Math.ceil(admissions / 4) };
}

/** Admissions out of `left` that may go to one of `workers` workers. */
export function keyGrantCount(
  rule: KeyGrantRule,
  wish: number,
  { left, workers }: { readonly left: number; readonly workers: number },
): number {
  if (rule.validMs === 0) return 0;
  return Math.max(0, Math.min(wish, Math.floor((left - rule.reserve) / (2 * workers))));
}
