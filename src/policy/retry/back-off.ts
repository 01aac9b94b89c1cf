/**
 * How long a retry waits: a random part of a span that doubles, and never less than the target
 * asked for.
 *
 * Thread: any (pure). Randomness is an argument. The whole span is drawn from, so that requests
 * that failed together do not come back together.
 */
import { assert } from '../../base/assert.js';

export interface BackOffRule {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** The wait cannot be met before the deadline: there is no point in another try. */
export const WAIT_TOO_LONG = -1;

/** The wait before retry `retry`, which counts from 1. `random` is in [0, 1). */
export function backOffMs(rule: BackOffRule, retry: number, random: number): number {
  assert(retry >= 1, 'retries count from 1');
  assert(random >= 0 && random < 1, 'a random number lies in [0, 1)');
  // Beyond this many doublings every span has reached its end.
  const doublings = Math.min(retry - 1, 52);
  return random * Math.min(rule.maxMs, rule.baseMs * 2 ** doublings);
}

/**
 * The wait when the target said `retryAfterMs` (0: it said nothing) and `leftMs` remain until the
 * deadline; {@link WAIT_TOO_LONG} when they do not suffice.
 */
export function retryWaitMs(backOff: number, retryAfterMs: number, leftMs: number): number {
  assert(backOff >= 0 && retryAfterMs >= 0, 'a wait is not negative');
  const waitMs = Math.max(backOff, retryAfterMs);
  return waitMs < leftMs ? waitMs : WAIT_TOO_LONG;
}
