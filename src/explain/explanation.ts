/**
 * What an explanation says: plain data, as `--json` prints it and the admin listener sends it.
 *
 * Thread: any (pure).
 */

/** A request to explain; nothing of it is sent anywhere. */
export interface ExplainedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Names in lower case, with their values; Host among them. */
  readonly fields: readonly (readonly [string, string])[];
  /** The address of the peer, before X-Forwarded-For is looked at. */
  readonly from: string;
  /** Taken for granted instead of looking at credentials; null: they are looked at. */
  readonly consumer: string | null;
  /** Which of so many requests like this, one after another, is meant: 1 to REPEAT_MAX. */
  readonly repeat: number;
}

export const REPEAT_MAX = 10_000;

export interface Explanation {
  /** True: with the state of a gateway that runs. False: as if nobody had asked for anything. */
  readonly isLive: boolean;
  readonly configEpoch: number;
  readonly request: {
    readonly method: string;
    /** As routes see it. */
    readonly path: string;
    readonly clientIp: string;
    /** Empty: not known. */
    readonly consumer: string;
  };
  /** Empty: none takes the request. */
  readonly route: string;
  readonly upstream: string;
  /** Authenticators of the route by name, in the order in which they are asked. */
  readonly authenticate: readonly string[];
  readonly candidates: readonly Candidate[];
  /** Routes that are not shown, since their paths have nothing in common with this one. */
  readonly othersCount: number;
  readonly steps: readonly Step[];
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
  /** Why it lost, or how it won. */
  readonly why: string;
}

/** One step in the order in which they are taken. */
export interface Step {
  readonly step: string;
  /**
   * `answers`: the gateway itself replies, as the route says. `notReached`: an earlier step has
   * refused the request.
   */
  readonly result: 'passes' | 'refuses' | 'answers' | 'notReached';
  readonly detail: string;
}

export interface LimitShown {
  readonly limit: string;
  /** What it counts by, with the values of this request. */
  readonly key: string;
  readonly algorithm: string;
  readonly quota: number;
  /** 0: requests in flight, which have no window. */
  readonly windowSeconds: number;
  readonly mode: string;
  readonly hasRoom: boolean;
  readonly remaining: number;
  readonly resetSeconds: number;
}

export interface TargetShown {
  readonly target: string;
  readonly state: string;
  readonly why: string;
  /** ISO 8601; null: that is not known. */
  readonly until: string | null;
  readonly circuitBreaker: string;
  readonly inFlight: number;
  /** It would be picked now. */
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
      /** By the route itself, or by a filter: no target is asked. */
      readonly kind: 'answered';
      readonly status: number;
      readonly detail: string;
    }
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly code: string;
      readonly part: string;
      readonly detail: string;
    };
