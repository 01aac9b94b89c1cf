/**
 * The answer of a limiter about one request.
 *
 * Thread: any (pure). One object is filled again and again, so that a decision allocates nothing.
 */

/**
 * A peek fills it, and the commit that follows updates it.
 *
 * `resetMs` and `retryAfterMs` are whole milliseconds, rounded up: never earlier than the truth.
 */
export class RateDecision {
  admitted = false;
  /** Admissions that are left at this moment. */
  admissionsLeft = 0;
  /** What is left of the limit. An admission takes its cost from this. */
  remaining = 0;
  /** Until `remaining` next grows: the `t` of the RateLimit field. 0 when nothing is used. */
  resetMs = 0;
  /** Until the same question may get a yes; 0 when admitted, otherwise equal to `resetMs`. */
  retryAfterMs = 0;
}
