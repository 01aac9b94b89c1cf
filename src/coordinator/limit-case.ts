/**
 * One limit of the current ask, while the coordinator answers it.
 *
 * Thread: coordinator. Reused for every ask.
 */
import { RateDecision } from '../policy/rate-limit/rate-decision.js';
import type { Lease } from './cluster-lease.js';
import type { Limiter } from './limiter.js';
import { NO_ROW } from './state/bucket-table.js';

/**
 * Longest time for which a refusal holds. After this time the coordinator looks again: admissions
 * may have come back from a grant, or a row may have been taken from its key.
 */
const REFUSAL_HOLDS_MS_MAX = 20;

/** By a row of this gateway. */
export const BY_ROW = 0;
/** It counts requests in flight. */
export const BY_PLACES = 1;
/** By a lease of the store, or by a refusal of it. */
export const BY_LEASE = 2;
/** By nothing: the store is lost, and the limit is open or closed meanwhile. */
export const BY_NOTHING = 3;
export type CaseKind = typeof BY_ROW | typeof BY_PLACES | typeof BY_LEASE | typeof BY_NOTHING;

export class LimitCase {
  kind: CaseKind = BY_ROW;
  /** Of a limit that counts over all gateways: what is known of its key; null: nothing. */
  lease: Lease | null = null;
  limiterIndex = 0;
  high = 0;
  low = 0;
  /** Null: no row decides. */
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
    if (this.kind !== BY_LEASE && (this.limiter === null || this.row === NO_ROW)) return 0;
    // One millisecond less, because the wait was rounded up.
    const holdsMs = Math.min(REFUSAL_HOLDS_MS_MAX, this.decision.retryAfterMs - 1);
    return Math.floor(nowMs + holdsMs) | 0;
  }
}

/** Nobody is admitted for so long. */
export function refuseFor(decision: RateDecision, retryAfterMs: number): false {
  decision.admitted = false;
  decision.admissionsLeft = 0;
  decision.remaining = 0;
  decision.resetMs = retryAfterMs;
  decision.retryAfterMs = retryAfterMs;
  return false;
}

/** Fewer admissions are left by it; of equally many, for longer. */
export function isTighter(one: RateDecision, other: RateDecision): boolean {
  if (one.admissionsLeft !== other.admissionsLeft) {
    return one.admissionsLeft < other.admissionsLeft;
  }
  return one.resetMs > other.resetMs;
}
