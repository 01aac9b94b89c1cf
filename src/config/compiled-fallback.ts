/**
 * Where requests of a route go after its upstream has failed.
 *
 * Thread: any (pure). Types only. A part of compiled-config.ts.
 */

export interface CompiledFallback {
  /** In the order in which they are tried; not empty. */
  readonly upstreams: readonly FallbackUpstream[];
  /** What counts as a failure. */
  readonly on: FailureKinds;
}

export interface FallbackUpstream {
  readonly upstreamIndex: number;
  readonly name: string;
}

/** What counts as a failure of a target. */
export interface FailureKinds {
  /** Nothing of the request was sent. */
  readonly connectFailure: boolean;
  readonly timeout: boolean;
  readonly reset: boolean;
  readonly status5xx: boolean;
  /** Beside those, ascending. */
  readonly statuses: readonly number[];
}
