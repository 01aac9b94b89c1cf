/**
 * A limit as the threads use it.
 *
 * Thread: any (pure). Types only; a part of compiled-config.ts.
 */
import type { CompiledClusterScope } from './store-settings.js';

export type LimiterKey =
  | { readonly kind: 'clientIp' }
  | { readonly kind: 'consumer' }
  | { readonly kind: 'route' }
  | { readonly kind: 'header'; readonly header: string };

/** A member of a JSON body, or of the events of a stream; or a field of the head or trailers. */
export type ToldCost =
  | { readonly kind: 'member'; readonly keys: readonly string[] }
  | { readonly kind: 'field'; readonly name: string };

export interface CompiledLimiter {
  readonly index: number;
  /**
   * Names the limiter in the rows of its keys. Unlike the index it is never given to another: rows
   * of a limiter that is gone are nobody's, and need not be searched for.
   */
  readonly keySpace: number;
  /** The policy name in RateLimit-Policy, and in /stats. */
  readonly name: string;
  /** `inFlight`: `limit` is how many may be in flight at once, and there is no window. */
  readonly algorithm: 'slidingWindow' | 'tokenBucket' | 'fixedWindow' | 'inFlight';
  readonly limit: number;
  readonly windowMs: number;
  /** Bucket size of tokenBucket; equals limit for the others. */
  readonly burst: number;
  /** What one request takes of the limit; at most `burst`. Where `told` is there: the reserve. */
  readonly cost: number;
  /** Where the reply of a target tells what its request costs; absent: each costs the same. */
  readonly told?: ToldCost;
  /** What makes up the key, in order; at least one part. */
  readonly keys: readonly LimiterKey[];
  /** Whose requests it counts; absent: everybody's. */
  readonly callers?: 'identified' | 'anonymous';
  /** `off` is in no route's limiterIndexes. */
  readonly mode: 'enforce' | 'shadow' | 'off';
  /** It counts over all gateways that share the store; absent: over this one. */
  readonly cluster?: CompiledClusterScope;
}
