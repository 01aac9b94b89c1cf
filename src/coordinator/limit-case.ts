/**
 * One limit of the current ask, while the coordinator answers it.
 *
 * Thread: coordinator. Reused for every ask.
 */
import { RateDecision } from '../policy/rate-limit/rate-decision.js';
import type { Limiter } from './limiters.js';
import { NO_ROW } from './state/bucket-table.js';

/**
 * Longest time for which a refusal holds. After this time the coordinator looks again: admissions
 * may have come back from a grant, or a row may have been taken from its key.
 */
const REFUSAL_HOLDS_MS_MAX = 20;

export class LimitCase {
  limiterIndex = 0;
  high = 0;
  low = 0;
  /** Null: the limit counts requests in flight. */
  limiter: Limiter | null = null;
  row = NO_ROW;
  isNew = false;
  /** The share that the row's last owner had used; -1: the row was free. */
  victimShare = 0;
  readonly decision = new RateDecision();

  /**
   * Low bits of the last whole millisecond at which the refused request would be refused again, as
   * far as time alone decides; 0: an event may change the answer before (a request ends, a row
   * becomes free).
   */
  refusedUntil(nowMs: number): number {
    if (this.limiter === null || this.row === NO_ROW) return 0;
    // One millisecond less, because the wait was rounded up.
    const holdsMs = Math.min(REFUSAL_HOLDS_MS_MAX, this.decision.retryAfterMs - 1);
    return Math.floor(nowMs + holdsMs) | 0;
  }
}
