/**
 * The configuration as the threads use it: every default filled in, every name an index.
 *
 * Thread: any (pure). Made by compile-config.ts; plain data, so that it can be cloned to threads.
 */

/**
 * One version of the whole configuration.
 *
 * The index of a route, upstream, target or limiter is its row in the tables of that kind: it says
 * nothing of its place in the list. A version that follows another gives what is the same in both
 * the row that it had; see config/place-config.ts.
 */
export interface CompiledConfig {
  /** Raised with each version that comes into force. */
  readonly epoch: number;
  /** Rows that tables have; chosen once, when the gateway starts. */
  readonly capacity: RowCapacity;
  readonly listen: CompiledAddress;
  readonly admin: CompiledAdmin;
  readonly workers: number;
  /** CIDR ranges whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly limits: CompiledLimits;
  readonly logging: { readonly level: string; readonly accessLog: boolean };
  readonly reload: { readonly watch: boolean };
  readonly shutdown: {
    /** Longest wait for requests in flight. */
    readonly graceMs: number;
    /** Between not being ready any more and taking no more connections. */
    readonly delayMs: number;
  };
  readonly authenticators: readonly CompiledAuthenticator[];
  readonly upstreams: readonly CompiledUpstream[];
  /** All targets of all upstreams. */
  readonly targets: readonly CompiledTarget[];
  readonly limiters: readonly CompiledLimiter[];
  readonly routes: readonly CompiledRoute[];
}

/** How many rows there are of each kind. */
export interface RowCapacity {
  readonly routes: number;
  readonly upstreams: number;
  readonly targets: number;
  readonly limiters: number;
}

export interface CompiledAddress {
  readonly host: string;
  readonly port: number;
}

export interface CompiledAdmin extends CompiledAddress {
  /** Empty: there is none, and what needs one is refused. */
  readonly token: string;
  /** Lower case, without ports. */
  readonly allowedHosts: readonly string[];
}

export interface CompiledLimits {
  readonly headerBytes: number;
  readonly bodyBytes: number;
  readonly trackedClients: number;
  readonly inFlight: number;
}

export interface CompiledAuthenticator {
  readonly index: number;
  readonly name: string;
  readonly type: 'jwt';
  readonly algorithms: readonly string[];
  readonly secret: string;
  /** Empty: not checked. */
  readonly issuer: string;
  /** Empty: not checked. */
  readonly audience: string;
  readonly clockSkewMs: number;
}

export interface CompiledTarget {
  readonly index: number;
  readonly upstreamIndex: number;
  /** scheme://host:port, without a path */
  readonly origin: string;
  /** host:port, the name that /stats shows */
  readonly hostPort: string;
  /** The Host field that the target gets when the route does not keep the client's. */
  readonly authority: string;
  readonly tls: boolean;
  readonly weight: number;
  /** Used only while no other target is available. */
  readonly isBackup: boolean;
}

export interface CompiledUpstream {
  readonly index: number;
  readonly name: string;
  readonly targetIndexes: readonly number[];
  readonly loadBalancing: CompiledBalancing;
  readonly circuitBreaker: CompiledBreaker;
  /** null: no probes. */
  readonly healthCheck: CompiledHealthCheck | null;
  /** null: nothing is ejected. */
  readonly outlierDetection: CompiledOutlierDetection | null;
  readonly timeouts: {
    readonly connectMs: number;
    readonly responseMs: number;
    readonly idleMs: number;
    /** At most responseMs. */
    readonly perTryMs: number;
  };
  readonly retry: CompiledRetry;
  /** -1: no hedging. */
  readonly hedgeAfterMs: number;
}

export interface CompiledBalancing {
  readonly policy:
    | 'roundRobin'
    | 'weightedRoundRobin'
    | 'leastRequest'
    | 'consistentHash'
    | 'random';
  /** Targets that leastRequest compares; 0: all. */
  readonly choices: number;
  readonly hashOn: HashSource;
  readonly slowStartMs: number;
  readonly panicThreshold: number;
  readonly stickyCookie: {
    readonly name: string;
    /** 0: until the session ends. */
    readonly maxAgeSeconds: number;
    /** Empty: one of the process. */
    readonly secret: string;
  } | null;
}

export type HashSource =
  | { readonly kind: 'clientIp' }
  | { readonly kind: 'path' }
  /** Lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };

export interface CompiledBreaker {
  readonly failureThreshold: number;
  readonly failureRate: {
    readonly percent: number;
    readonly minimumRequests: number;
    readonly windowMs: number;
  } | null;
  readonly failureOn: {
    readonly connectFailure: boolean;
    readonly timeout: boolean;
    readonly reset: boolean;
    readonly status5xx: boolean;
    /** Beside those, ascending. */
    readonly statuses: readonly number[];
  };
  readonly openForMs: number;
  /** At least openForMs. */
  readonly openForMaxMs: number;
  readonly halfOpenRequests: number;
  readonly rampUpMs: number;
}

export interface CompiledHealthCheck {
  readonly type: 'http' | 'tcp';
  readonly path: string;
  /** Empty: the target's own. */
  readonly host: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  /** First and last of each range. */
  readonly expectedStatuses: readonly (readonly [number, number])[];
  readonly jitterPercent: number;
}

export interface CompiledOutlierDetection {
  readonly consecutive5xx: number;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
}

export interface CompiledRetry {
  /** Retries of one request. */
  readonly attempts: number;
  readonly conditions: {
    readonly connectFailure: boolean;
    readonly reset: boolean;
    readonly timeout: boolean;
    /** Ascending. */
    readonly statuses: readonly number[];
  };
  readonly budgetPercent: number;
  readonly minConcurrency: number;
  readonly backOff: { readonly baseMs: number; readonly maxMs: number };
}

export type LimiterKey =
  | { readonly kind: 'clientIp' }
  | { readonly kind: 'consumer' }
  | { readonly kind: 'route' }
  | { readonly kind: 'header'; readonly header: string };

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
  /** What one request takes of the limit; at most `burst`. */
  readonly cost: number;
  /** What makes up the key, in order; at least one part. */
  readonly keys: readonly LimiterKey[];
  /** `off` is in no route's limiterIndexes. */
  readonly mode: 'enforce' | 'shadow' | 'off';
}

export interface CompiledRoute {
  readonly index: number;
  readonly name: string;
  /** As find-my-way takes it: /exact, /with/:param, /prefix/* */
  readonly path: string;
  /** Upper case; empty: every method. */
  readonly methods: readonly string[];
  readonly upstreamIndex: number;
  /** Over all tries, until the head of the reply; 0: none. */
  readonly timeoutMs: number;
  /** Indexes of authenticators, tried in order; empty: public. */
  readonly authenticators: readonly number[];
  /** Indexes into limiters, at most 4; every one is to have room. */
  readonly limiterIndexes: readonly number[];
  /** What becomes of requests while the coordinator does not answer. */
  readonly onCoordinatorLost: 'wait' | 'open' | 'closed';
  readonly rewrite: {
    /** Empty: nothing is stripped. */
    readonly stripPrefix: string;
    /** Lower-case names. */
    readonly setHeaders: readonly (readonly [string, string])[];
    readonly removeHeaders: readonly string[];
  };
}
