/**
 * What a route does with replies: which ones it stores, and what holds for event streams.
 *
 * Thread: any (pure). A part of compiled-config.ts.
 */

/** What a route stores of its replies. */
export interface CompiledRouteCache {
  readonly key: {
    readonly query: 'all' | 'none' | readonly string[];
    /** Lower case, sorted. */
    readonly headers: readonly string[];
    readonly consumer: boolean;
  };
  /** 0: nothing is fresh that does not say so. */
  readonly heuristicPercent: number;
  readonly entryBytesMax: number;
  readonly staleIfErrorMs: number;
  readonly staleWhileRevalidateMs: number;
  /** How long a request waits for another one's reply; 0: not at all. */
  readonly collapseMs: number;
  readonly clientMayBypass: boolean;
  /** Lower case. */
  readonly targeted: readonly string[];
  readonly dropsCookies: boolean;
}

/** What holds for replies that are event streams. */
export interface CompiledEventStreams {
  /** Longest silence of a target; 0: that of its upstream. */
  readonly idleMs: number;
  /** Silence after which the client gets a comment; 0: never. */
  readonly heartbeatMs: number;
  /** They go on when the credentials that opened them have ended. */
  readonly outlivesToken: boolean;
}
