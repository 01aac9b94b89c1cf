/**
 * Decides by health checks whether one target is healthy.
 *
 * Thread: any (pure). The row lies elsewhere. Envoy's thresholds:
 *
 *              unhealthyThreshold failures in a row
 *     HEALTHY ──────────────────────────────────────► UNHEALTHY
 *        ▲                                                │
 *        └────────────────────────────────────────────────┘
 *              healthyThreshold passes in a row
 *
 * A target counts as healthy before the first probe. The first probe decides alone, both ways, so
 * that a start is quick.
 */

export interface ActiveCheckRow {
  /** Whether a probe has ended yet. */
  isProbed: boolean;
  isUnhealthy: boolean;
  /** Probes in a row that contradict the state. */
  contradictions: number;
}

export interface ActiveCheckRule {
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** Counts one probe. True: the state has changed. */
export function takeProbe(row: ActiveCheckRow, rule: ActiveCheckRule, isPassed: boolean): boolean {
  const isFirst = !row.isProbed;
  row.isProbed = true;
  if (isPassed !== row.isUnhealthy) {
    row.contradictions = 0;
    return false;
  }
  row.contradictions += 1;
  const threshold = isPassed ? rule.healthyThreshold : rule.unhealthyThreshold;
  if (!isFirst && row.contradictions < threshold) return false;
  row.contradictions = 0;
  row.isUnhealthy = !isPassed;
  return true;
}
