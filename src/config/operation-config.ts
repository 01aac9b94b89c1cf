/**
 * The part of the configuration that says how the gateway is run: reading it again, stopping.
 *
 * Thread: any (pure). Types only, like gateway-config.ts.
 */
import type { Duration } from '../base/quantities.js';

/** When the configuration is read again; SIGHUP and `POST /reload` do so always. */
export interface ReloadConfig {
  /** Whether a change of the file is applied by itself, within two seconds. Default: true. */
  readonly watch?: boolean;
}

/** How the gateway stops. */
export interface ShutdownConfig {
  /**
   * How long requests are still taken after /readyz says 503, 0s to 10m: time for whoever spreads
   * requests to notice. Default: 0s.
   */
  readonly delay?: Duration;
  /** Longest wait for requests in flight before they are cut, 0s to 1h. Default: 10s. */
  readonly grace?: Duration;
}
