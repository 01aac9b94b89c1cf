/**
 * How the requests of a route are shared among upstreams.
 *
 * Thread: any (pure). Types only. A part of compiled-config.ts.
 */
import type { CompiledFixedReply } from '../filters/fixed-reply/options.js';

export interface CompiledSplit {
  readonly sides: readonly SplitSide[];
  /** Sum of the weights, that of `refuse` included; above 0. */
  readonly total: number;
  /** Who comes behind all sides gets this reply; absent: nobody does. */
  readonly refuse?: { readonly weight: number; readonly reply: CompiledFixedReply };
  /** Whoever has the same one stays on his side. */
  readonly key: SplitKeySource;
  /** Name of the field that names a side, lower case; '': none. */
  readonly header: string;
  /** Likewise of a cookie. */
  readonly cookie: string;
  /** Row of the rollout that says what share the last of two sides has; absent: the weights do. */
  readonly rollout?: number;
}

/** A split of two sides whose share grows by time, or is taken back when the new side is bad. */
export interface CompiledRollout {
  readonly index: number;
  /** Name of the route in the configuration. */
  readonly route: string;
  /** Names of the upstreams. */
  readonly oldSide: string;
  readonly newSide: string;
  /** In ten-thousandths. */
  readonly fromShare: number;
  readonly toShare: number;
  /** 0: the share does not grow. */
  readonly overMs: number;
  /** null: nothing takes it back but an operator. */
  readonly guard: CompiledGuard | null;
}

/** When the newer of two is worse than the older: a rule of policy/traffic/guard.ts. */
export interface CompiledGuard {
  /** 0: not judged. */
  readonly errorsFactor: number;
  readonly p99Factor: number;
  readonly minRequests: number;
}

export type SplitKeySource =
  | { readonly kind: 'clientIp' }
  | { readonly kind: 'consumer' }
  /** Each request by itself. */
  | { readonly kind: 'request' }
  | { readonly kind: 'header'; readonly header: string }
  | { readonly kind: 'cookie'; readonly cookie: string };

export interface SplitSide {
  readonly upstreamIndex: number;
  /** Of the upstream. */
  readonly name: string;
  readonly weight: number;
}
