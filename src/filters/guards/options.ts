/**
 * Options of guards: how large and how slow the requests of a route may be.
 *
 * Thread: any (pure).
 */
import type { ByteSize, Duration } from '../../base/quantities.js';

/** Bounds of one route, within those of `limits`. */
export interface GuardsConfig {
  /** Size of the head, 256 to 32KiB. Larger: 431. Default: `limits.headerBytes`. */
  readonly headerBytes?: ByteSize;
  /** Header fields, 1 to 90. More: 431. Default: 90. */
  readonly headerCount?: number;
  /** Size of the body, 0 to 1024MiB and at most `limits.bodyBytes`. Larger: 413. */
  readonly bodyBytes?: ByteSize;
  /**
   * How long the body may take as a whole, 100ms to 1h; time in which the target holds it up does
   * not count. Longer: 408. Default: not bounded, as long as it moves.
   */
  readonly bodyTimeout?: Duration;
  /** Slowest body. Default: none. */
  readonly minBodyRate?: MinBodyRateConfig;
}

/** A body must bring at least so much, on the average from the end of `grace` on. Else: 408. */
export interface MinBodyRateConfig {
  /** 1 to 1073741824. */
  readonly bytesPerSecond: number;
  /** How long a body may be slower at first, 100ms to 10m. Default: 5s. */
  readonly grace?: Duration;
}

export interface CompiledGuards {
  readonly headerBytes: number;
  readonly headerCount: number;
  readonly bodyBytes: number;
  /** 0: not bounded. */
  readonly bodyTimeoutMs: number;
  /** 0: not bounded. */
  readonly minBytesPerSecond: number;
  readonly graceMs: number;
}
