/**
 * The part of the configuration that concerns the health of targets, as users write it.
 *
 * Thread: any (pure). Types only; a part of gateway-config.ts.
 */
import type { Duration } from '../base/quantities.js';

/** Probes that the gateway sends to each target by itself. */
export interface HealthCheckConfig {
  /** `http`: a GET that must be answered well. `tcp`: a connection that must be taken. */
  readonly type: 'http' | 'tcp';
  /** Path of the GET. Default: /. */
  readonly path?: string;
  /** Host field of the GET. Default: the target's host and port. */
  readonly host?: string;
  /** Between two probes of one target, 100ms to 1h. Default: 5s. */
  readonly interval?: Duration;
  /** How long a probe may take, 10ms to 1m. Default: 1s. */
  readonly timeout?: Duration;
  /** Probes in a row that must pass before a target is used again, 1 to 100. Default: 2. */
  readonly healthyThreshold?: number;
  /** Probes in a row that must fail before a target is not used, 1 to 100. Default: 3. */
  readonly unhealthyThreshold?: number;
  /** Statuses that pass: `200`, `200-299`. Default: 200-299. */
  readonly expectedStatuses?: readonly (number | string)[];
  /** Part of the interval by which each wait is changed at random, 0 to 50. Default: 10. */
  readonly jitterPercent?: number;
}

/**
 * Takes a target out for a while that answers worse than it should. A health check that passes
 * lets it in again before its time, as in Envoy (successful_active_health_check_uneject_host).
 */
export interface OutlierDetectionConfig {
  /** Answers of 5xx, or none at all, in a row, 1 to 1000. Default: 5. */
  readonly consecutive5xx?: number;
  /** How long a target must be well for one ejection to be forgiven, 100ms to 1h. Default: 10s. */
  readonly interval?: Duration;
  /** Length of the first ejection, 100ms to 1h; later ones are as much longer. Default: 30s. */
  readonly baseEjectionTime?: Duration;
  /** Longest ejection, 100ms to 24h. Default: 300s, or baseEjectionTime if that is longer. */
  readonly maxEjectionTime?: Duration;
  /** Targets that may be out at once; of two or more, one always may. 0 to 100. Default: 10. */
  readonly maxEjectionPercent?: number;
}
