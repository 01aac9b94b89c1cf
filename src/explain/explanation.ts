/**
 * The contents of an explanation: plain data, as `--json` prints it and the admin listener sends
 * it.
 *
 * Thread: any (pure).
 */
import type { GrpcStatusName } from '../base/grpc-status.js';

/** A request to explain; nothing of it is sent anywhere. */
export interface ExplainedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Names in lower case, with their values; Host is one of them. */
  readonly fields: readonly (readonly [string, string])[];
  /** The address of the peer, before X-Forwarded-For is read. */
  readonly from: string;
  /** Name of the listener; '': the first. */
  readonly listener: string;
  /** Assumed caller, whose credentials are not checked; null: credentials are checked. */
  readonly consumer: string | null;
  /** Which of several equal requests, one after another, is explained: 1 to REPEAT_MAX. */
  readonly repeat: number;
}

export const REPEAT_MAX = 10_000;

export interface Explanation {
  /** True: in the state of a running gateway. False: as if no request had come yet. */
  readonly isLive: boolean;
  readonly configEpoch: number;
  readonly request: {
    readonly method: string;
    /** The normalised path. */
    readonly path: string;
    readonly clientIp: string;
    /** Empty: unknown. */
    readonly consumer: string;
  };
  /** Empty: no route takes the request. */
  readonly route: string;
  readonly upstream: string;
  /** Authenticators of the route by name, in the order in which they are tried. */
  readonly authenticate: readonly string[];
  readonly candidates: readonly Candidate[];
  /**
   * Number of routes that are not shown, because their paths have nothing in common with this one.
   */
  readonly othersCount: number;
  readonly steps: readonly Step[];
  /** null: the route has no cache, or the request is refused before. */
  readonly cache: CacheShown | null;
  readonly limits: readonly LimitShown[];
  readonly targets: readonly TargetShown[];
  readonly outcome: Outcome;
}

export interface Candidate {
  readonly route: string;
  readonly path: string;
  /** Empty: every method. */
  readonly methods: readonly string[];
  readonly isChosen: boolean;
  /** Why the route lost, or how it won. */
  readonly why: string;
}

/** One step, in the order of the pipeline. */
export interface Step {
  readonly step: string;
  /**
   * `answers`: the gateway itself replies, as the route says. `notReached`: an earlier step has
   * refused the request.
   */
  readonly result: 'passes' | 'refuses' | 'answers' | 'notReached';
  readonly detail: string;
}

export interface CacheShown {
  /**
   * `validate`: something is stored, and the target is asked. `miss`: the target is asked, or
   * nobody where the client wants nothing else.
   */
  readonly result: 'hit' | 'stale' | 'validate' | 'miss' | 'bypass';
  /** What is asked for: URL, and what else counts. Empty: nothing is looked for. */
  readonly key: readonly string[];
  /** Of what is stored; negative: it has been stale for as long. null: nothing is stored. */
  readonly freshSeconds: number | null;
  readonly why: string;
  /** Why the reply that was assumed is not stored; empty: it is, or none was assumed. */
  readonly notStored: string;
}

export interface LimitShown {
  readonly limit: string;
  /** The limiter key, with the values of this request. */
  readonly key: string;
  readonly algorithm: string;
  readonly quota: number;
  /** 0: a limit on requests in flight, which has no window. */
  readonly windowSeconds: number;
  /** Where replies tell the cost: what is reserved until then. Absent: all cost the same. */
  readonly reserve?: number;
  readonly mode: string;
  readonly hasRoom: boolean;
  readonly remaining: number;
  readonly resetSeconds: number;
}

export interface TargetShown {
  readonly target: string;
  readonly state: string;
  readonly why: string;
  /** ISO 8601; null: unknown. */
  readonly until: string | null;
  readonly circuitBreaker: string;
  readonly inFlight: number;
  /** The target would be chosen now. */
  readonly isPicked: boolean;
}

export type Outcome =
  | {
      readonly kind: 'forwarded';
      readonly target: string;
      /** Path and query as the target gets them. */
      readonly upstreamTarget: string;
    }
  | {
      /** The route itself or a filter answers: no target is asked. */
      readonly kind: 'answered';
      readonly status: number;
      readonly detail: string;
      /** What a client of gRPC gets in place of a status that is no success. */
      readonly grpcStatus?: GrpcStatusName;
    }
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly code: string;
      readonly part: string;
      readonly detail: string;
      /** Content-Type of the body that `errors` has for it; absent: a problem document. */
      readonly bodyType?: string;
      /** What a client of gRPC gets: HTTP status 200, no body, and this. */
      readonly grpcStatus?: GrpcStatusName;
    };
