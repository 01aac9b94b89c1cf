/**
 * How the requests of a route are shared among upstreams.
 *
 * Thread: any (pure). Types only. A part of compiled-config.ts.
 */

export interface CompiledSplit {
  readonly sides: readonly SplitSide[];
  /** Sum of the weights; above 0. */
  readonly total: number;
  /** Whoever has the same one stays on his side. */
  readonly key: SplitKeySource;
  /** Name of the field that names a side, lower case; '': none. */
  readonly header: string;
  /** Likewise of a cookie. */
  readonly cookie: string;
}

export type SplitKeySource =
  | { readonly kind: 'clientIp' }
  | { readonly kind: 'consumer' }
  | { readonly kind: 'header'; readonly header: string }
  | { readonly kind: 'cookie'; readonly cookie: string };

export interface SplitSide {
  readonly upstreamIndex: number;
  /** Of the upstream. */
  readonly name: string;
  readonly weight: number;
}
