/**
 * How long a retry waits: a random part of a span that doubles, and never less than the target
 * asked for.
 *
 * Thread: any (pure). Randomness is an argument. The wait is drawn from the whole span, so that
 * requests that failed together do not come back together.
 */
import { assert } from '../../base/assert.js';

export interface BackOffRule {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** The wait ends after the deadline: another try makes no sense. */
export const WAIT_TOO_LONG = -1;

/** The wait before retry `retry`, which counts from 1. `random` is in [0, 1). */
export function backOffMs(rule: BackOffRule, retry: number, random: number): number {
  assert(retry >= 1, 'retries count from 1');
  assert(random >= 0 && random < 1, 'a random number lies in [0, 1)');
  // After this number of doublings every span has reached its maximum.
  const doublings = Math.min(retry - 1, 52);
  return random * Math.min(rule.maxMs, rule.baseMs * 2 ** doublings);
}

/**
 * The wait when the target asked for `retryAfterMs` (0: it did not) and `leftMs` remain until the
 * deadline; {@link WAIT_TOO_LONG} when they do not suffice.
 */
export function retryWaitMs(backOff: number, retryAfterMs: number, leftMs: number): number {
  assert(backOff >= 0 && retryAfterMs >= 0, 'a wait is not negative');
  const waitMs = Math.max(backOff, retryAfterMs);
  return waitMs < leftMs ? waitMs : WAIT_TOO_LONG;
}
