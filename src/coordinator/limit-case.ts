/**
 * One limit of the ask at hand, while it is answered.
 *
 * Thread: coordinator. Reused for every ask.
 */
import { RateDecision } from '../policy/rate-limit/rate-decision.js';
import type { Limiter } from './limiters.js';
import { NO_ROW } from './state/bucket-table.js';

/**
 * A refusal holds for no longer than this: what comes back of a grant, or a row that is taken from
 * its key, is seen by then.
 */
const REFUSAL_HOLDS_MS_MAX = 20;

export class LimitCase {
  limiterIndex = 0;
  high = 0;
  low = 0;
  /** Null: it counts requests in flight. */
  limiter: Limiter | null = null;
  row = NO_ROW;
  isNew = false;
  /** Of the row's last owner; -1: the row was free. */
  victimShare = 0;
  readonly decision = new RateDecision();

  /**
   * Low bits of the last whole millisecond at which what was refused would be refused again, as far
   * as time alone decides; 0: anything may happen before (a request ends, a row comes free).
   */
  refusedUntil(nowMs: number): number {
    if (this.limiter === null || this.row === NO_ROW) return 0;
    // Rounded up: a millisecond less is surely too early.
    const holdsMs = Math.min(REFUSAL_HOLDS_MS_MAX, this.decision.retryAfterMs - 1);
    return Math.floor(nowMs + holdsMs) | 0;
  }
}
