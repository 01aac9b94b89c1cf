/**
 * What probes say of one target: healthy or not.
 *
 * Thread: any (pure). The row lies elsewhere. Envoy's thresholds:
 *
 *              unhealthyThreshold failures in a row
 *     HEALTHY ──────────────────────────────────────► UNHEALTHY
 *        ▲                                                │
 *        └────────────────────────────────────────────────┘
 *              healthyThreshold passes in a row
 *
 * Before the first probe a target counts as healthy; the first probe decides alone, both ways, so
 * that a start is quick.
 */

export interface ActiveCheckRow {
  /** Whether a probe has come in yet. */
  isProbed: boolean;
  isUnhealthy: boolean;
  /** Probes in a row that contradict the state. */
  contradictions: number;
}

export interface ActiveCheckRule {
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** Takes in one probe; true: the state has changed. */
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
