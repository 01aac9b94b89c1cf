/**
 * Counts successes and failures of a window, in ten sub-windows that follow each other.
 *
 * Thread: any (pure). Time arrives as nowMs; the counts lie elsewhere. The sums cover the current
 * sub-window and the nine before it, so an outcome counts for nine to ten tenths of the window.
 * Memory does not depend on the rate: twenty numbers and the serial of the sub-window that was last
 * written.
 */

export const SUB_WINDOWS = 10;

export interface RollingRow {
  /** Serial of the sub-window that was last written, on the monotonic clock. */
  rollingSerial: number;
  successesAt(slot: number): number;
  failuresAt(slot: number): number;
  setCountsAt(slot: number, successes: number, failures: number): void;
}

/** Counts outcomes at this moment. */
export function addOutcomes(
  row: RollingRow,
  windowMs: number,
  nowMs: number,
  outcomes: { readonly successes: number; readonly failures: number },
): void {
  const slot = advance(row, windowMs, nowMs) % SUB_WINDOWS;
  row.setCountsAt(
    slot,
    row.successesAt(slot) + outcomes.successes,
    row.failuresAt(slot) + outcomes.failures,
  );
}

/** Forgets everything. */
export function clearOutcomes(row: RollingRow): void {
  for (let slot = 0; slot < SUB_WINDOWS; slot += 1) row.setCountsAt(slot, 0, 0);
}

/**
 * Whether there are enough outcomes, and at least the configured percentage of them are failures.
 */
export function isRateExceeded(row: RollingRow, rule: FailureRateRule, nowMs: number): boolean {
  advance(row, rule.windowMs, nowMs);
  let failures = 0;
  let all = 0;
  for (let slot = 0; slot < SUB_WINDOWS; slot += 1) {
    failures += row.failuresAt(slot);
    all += row.failuresAt(slot) + row.successesAt(slot);
  }
  return all >= rule.minimumRequests && failures * 100 >= rule.percent * all;
}

export interface FailureRateRule {
  readonly percent: number;
  readonly minimumRequests: number;
  readonly windowMs: number;
}

/**
 * Empties the sub-windows that have begun since the last call, and returns the serial of the
 * current one.
 */
function advance(row: RollingRow, windowMs: number, nowMs: number): number {
  const serial = Math.floor((nowMs * SUB_WINDOWS) / windowMs);
  // A clock never goes back but by a mistake; then the outcome counts in the last sub-window.
  if (serial <= row.rollingSerial) return row.rollingSerial;
  const begun = Math.min(SUB_WINDOWS, serial - row.rollingSerial);
  for (let back = 0; back < begun; back += 1) {
    row.setCountsAt((serial - back) % SUB_WINDOWS, 0, 0);
  }
  row.rollingSerial = serial;
  return serial;
}
