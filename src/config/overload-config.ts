/**
 * The part of the configuration that concerns overload, as users write it.
 *
 * Thread: any (pure). Types only; a part of gateway-config.ts.
 */
import type { Duration } from '../base/quantities.js';

/**
 * A limit on the requests in flight at an upstream, of all workers together, that follows its
 * latency as Envoy's adaptive concurrency does: while latency stays near what it is without load
 * (minRtt) the limit grows, else it falls. More: 503. Every `minRttInterval`, and at the start,
 * the limit goes down to `minConcurrency` until minRtt was measured.
 */
export interface AdaptiveConcurrencyConfig {
  /** Least limit, 1 to 10000. Default: 3. */
  readonly minConcurrency?: number;
  /** Greatest limit, 1 to 100000. Default: 1000. */
  readonly maxConcurrency?: number;
  /** How often the limit is set, 10ms to 1m; in steps of 100ms without load. Default: 100ms. */
  readonly updateInterval?: Duration;
  /** Percentile of the latencies of an interval that is looked at, 1 to 99. Default: 50. */
  readonly samplePercentile?: number;
  /** By how many percent latency may exceed minRtt, 0 to 1000. Default: 25. */
  readonly bufferPercent?: number;
  /** How often minRtt is measured, 1s to 24h. Default: 60s. */
  readonly minRttInterval?: Duration;
  /** Requests that are looked at for it, 1 to 10000. Default: 50. */
  readonly minRttRequests?: number;
  /** Percent of `minRttInterval` by which each is longer at random, 0 to 100. Default: 15. */
  readonly jitterPercent?: number;
}

/** How important the requests of a route are. */
export type RoutePriority = 'low' | 'default' | 'high';
