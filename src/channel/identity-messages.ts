/**
 * Messages between the main thread and the workers about identity, that of callers and the
 * gateway's own, by postMessage on the lane's port: rare, not urgent.
 *
 * Thread: any (both ends). Plain data that survives a structured clone.
 */

import type { ManagedKey } from '../base/managed-key.js';
import type { ProofMemoryPlace, ProofUse } from '../base/proof-use.js';
import type { LoginNotice, LoginRequest } from './login-messages.js';
import type { WorkloadMaterial } from './workload-material.js';

/** From the main thread: keys and revocations to all workers, a reply to the worker that asked. */
export type IdentityNotice = CallerNotice | WorkloadNotice;

/** What is about callers. */
export type CallerNotice =
  | KeySetNotice
  | RevocationNotice
  | ApiKeysNotice
  | TokenReplyNotice
  | ProofReplyNotice
  | ProofKeyNotice
  | LoginNotice;

/** Who the gateway itself is from now on, for targets that are workloads. */
export interface WorkloadNotice {
  readonly type: 'workload';
  readonly material: WorkloadMaterial;
}

/** A set of keys by which tokens are verified. */
export interface KeySetNotice {
  readonly type: 'keySet';
  /** Id of the source (filters/authentication/options.ts). */
  readonly source: string;
  /** Grows with each set that differs from the last; 0: no set could be fetched so far. */
  readonly version: number;
  /** JSON Web Keys. */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  /** A request for a newer set has no effect before this time on the monotonic clock. */
  readonly nextFetchMs: number;
}

/** Sessions of the token service whose access tokens are no longer valid. */
export interface RevocationNotice {
  readonly type: 'revoked';
  /** The worker acknowledges the notice under this number; 0: it need not. */
  readonly serial: number;
  readonly sessions: readonly Revocation[];
}

export interface Revocation {
  /** The tokens' claim `sid`. */
  readonly sessionId: string;
  /** Seconds since 1970; by then the last access token of the session has expired. */
  readonly until: number;
}

/** API keys that were made at run time. */
export interface ApiKeysNotice {
  readonly type: 'apiKeys';
  /** The worker acknowledges the notice under this number; 0: it need not. */
  readonly serial: number;
  /** These are all, and not a change. */
  readonly isWhole: boolean;
  /** False: which keys there are is not known for now. */
  readonly isKnown: boolean;
  readonly keys: readonly ManagedKey[];
  /** Ids of keys that are gone. */
  readonly removed: readonly string[];
}

export interface TokenReplyNotice {
  readonly type: 'tokenReply';
  readonly askId: number;
  readonly reply: TokenReply;
}

/** Whether a proof was used before; from now on it was. */
export interface ProofReplyNotice {
  readonly type: 'proofReply';
  readonly askId: number;
  readonly use: ProofUse;
}

/** What nonces of proofs are made with. */
export interface ProofKeyNotice {
  readonly type: 'proofKey';
  readonly key: Uint8Array;
}

export type TokenReply =
  | {
      readonly kind: 'tokens';
      readonly accessToken: string;
      readonly refreshToken: string;
      readonly expiresInSeconds: number;
      readonly scope: string;
    }
  /** The refresh token is not valid. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'revoked' }
  /** There are too many sessions. */
  | { readonly kind: 'full' }
  /** What must be known for it is in a store that is lost for now. */
  | { readonly kind: 'unavailable' }
  /** A mistake in the gateway; the log has the details. */
  | { readonly kind: 'failed' };

/** From a worker. */
export type IdentityRequest =
  /** A token names a key that is not in the set of this version. */
  | { readonly type: 'keySetWanted'; readonly source: string; readonly version: number }
  | { readonly type: 'tokenAsk'; readonly askId: number; readonly ask: TokenAsk }
  | { readonly type: 'acknowledged'; readonly serial: number }
  /** A proof that fits is about to be believed. */
  | {
      readonly type: 'proofAsk';
      readonly askId: number;
      readonly key: string;
      /** Seconds since 1970; from then on it is refused for its age. */
      readonly until: number;
      readonly place: ProofMemoryPlace;
    }
  | LoginRequest;

export type TokenAsk =
  | {
      readonly kind: 'issue';
      readonly consumer: string;
      readonly scope: string;
      /** Further claims for the tokens. */
      readonly claims: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'refresh'; readonly refreshToken: string }
  /** An access or a refresh token. */
  | { readonly kind: 'revoke'; readonly token: string };
