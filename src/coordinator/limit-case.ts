/**
 * One limit of the ask at hand, while it is answered.
 *
 * Thread: coordinator. Reused for every ask.
 */
import { RateDecision } from '../policy/rate-limit/rate-decision.js';
import type { Limiter } from './limiters.js';
import { NO_ROW } from './state/bucket-table.js';

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
}
