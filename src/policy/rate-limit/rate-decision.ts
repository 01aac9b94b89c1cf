/**
 * What a limiter says about one request.
 *
 * Thread: any (pure). One object is filled again and again, so that a decision allocates nothing.
 */

/**
 * Filled by a peek, brought up to date by the commit that follows it.
 *
 * `resetMs` and `retryAfterMs` are whole milliseconds, rounded up: never earlier than the truth.
 */
export class RateDecision {
  admitted = false;
  /** Admissions that are left at this moment. */
  admissionsLeft = 0;
  /** What is left of the limit, of which an admission takes its cost. */
  remaining = 0;
  /** Until `remaining` next grows: the `t` of the RateLimit field. 0 when nothing is used. */
  resetMs = 0;
  /** Until the same question may be answered with yes; 0 when admitted. Equals `resetMs` else. */
  retryAfterMs = 0;
}
