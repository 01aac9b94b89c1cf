/**
 * The configuration as the threads use it: every default filled in, every name an index.
 *
 * Thread: any (pure). Made by compile-config.ts; plain data, so that it can be cloned to threads.
 */

import type { CompiledErrors, ErrorRule } from '../base/error-pages.js';
import type {
  CompiledAuthenticator,
  CompiledAuthorization,
} from '../filters/authentication/options.js';
import type { CompiledFilters } from '../filters/catalog.js';
import type { CompiledCors } from '../filters/cors/options.js';
import type { CompiledFixedReply } from '../filters/fixed-reply/options.js';
import type { CompiledRewrite } from '../filters/transformation/options.js';
import type { CompiledVersioning } from '../filters/versioning/options.js';
import type { MatchCondition } from '../routing/route-pattern.js';
import type { CompiledCanary } from './compiled-canary.js';
import type { CompiledDiscovery } from './compiled-discovery.js';
import type { CompiledDocument, OpenapiScope } from './compiled-document.js';
import type { CompiledFallback, FailureKinds } from './compiled-fallback.js';
import type { CompiledFaults } from './compiled-faults.js';
import type { CompiledLimiter } from './compiled-limiter.js';
import type { CompiledLogBodies } from './compiled-log-bodies.js';
import type { CompiledMirror } from './compiled-mirror.js';
import type { CompiledLogging, CompiledTracing } from './compiled-observability.js';
import type { CompiledPlugin } from './compiled-plugin.js';
import type { CompiledProtocol } from './compiled-protocol.js';
import type { CompiledEventStreams, CompiledRouteCache } from './compiled-replies.js';
import type { CompiledRollout, CompiledSplit } from './compiled-split.js';
import type { CompiledTargetTls } from './compiled-target-tls.js';
import type {
  CompiledKeys,
  CompiledTokenEndpoint,
  CompiledTokenService,
} from './compiled-tokens.js';
import type { CompiledWebSocket } from './compiled-websocket.js';
import type { CompiledKubernetes } from './kubernetes-settings.js';
import type { ListenerSettings } from './listener-settings.js';
import type { MachineLimits } from './machine-limits.js';
import type { SpiffeSettings } from './spiffe-settings.js';
import type { CompiledStore } from './store-settings.js';

export type { CompiledDocument, OpenapiScope } from './compiled-document.js';
export type { CompiledLimiter, LimiterKey, ToldCost } from './compiled-limiter.js';
export type {
  CompiledKeys,
  CompiledTokenEndpoint,
  CompiledTokenService,
} from './compiled-tokens.js';

/**
 * One version of the whole configuration.
 *
 * The index of a route, upstream, target or limiter is its row in the tables of that kind: it says
 * nothing of its place in the list. A version that follows another gives what is the same in both
 * the row that it had; see config/shared/place-config.ts.
 */
export interface CompiledConfig {
  /** Raised with each version that comes into force. */
  readonly epoch: number;
  /** Rows that tables have; chosen once, when the gateway starts. */
  readonly capacity: RowCapacity;
  /** At least one, each with another name and another address. */
  readonly listeners: readonly ListenerSettings[];
  readonly admin: CompiledAdmin;
  /** Absolute; empty: nothing outlives the gateway. */
  readonly stateDir: string;
  /** What the process may use, as it was when the configuration was first read. */
  readonly machine: MachineLimits;
  readonly workers: number;
  /** Memory of stored replies. */
  readonly cacheBytes: number;
  /** Threads that take connections; there must be as many workers. */
  readonly acceptors: number;
  /** CIDR ranges of proxies whose word about the client is believed. */
  readonly trustedProxies: readonly string[];
  /** The field in which they tell it, lower case; '': X-Forwarded-For, or else Forwarded. */
  readonly clientAddressField: string;
  readonly hardening: {
    readonly pathParameters: 'refuse' | 'allow' | '';
    readonly overrideHeaders: 'remove' | 'forward';
  };
  /** What holds for routes that have none of their own. */
  readonly paths: CompiledPaths;
  /** Whose X-Request-Id is kept. */
  readonly acceptsRequestIdOf: 'anyone' | 'trustedProxies' | 'nobody';
  /** Where the gateway names itself. */
  readonly via: { readonly inRequests: boolean; readonly inReplies: boolean };
  /** Those that hold for every request, whether a route takes it or not. */
  readonly filters: CompiledFilters;
  /** What requests that no route takes go by; null: no page may read their refusals. */
  readonly cors: CompiledCors | null;
  /** Bodies of refusals in place of problem documents. */
  readonly errors: CompiledErrors;
  /** What of OpenAPI documents is not judged, or has no route. */
  readonly documents: readonly CompiledDocument[];
  /** null: no route has a version. */
  readonly versioning: CompiledVersioning | null;
  readonly limits: CompiledLimits;
  readonly logging: CompiledLogging;
  /** null: no spans. */
  readonly tracing: CompiledTracing | null;
  readonly reload: { readonly watch: boolean; readonly canary: CompiledCanary | null };
  readonly shutdown: {
    /** Longest wait for requests in flight. */
    readonly graceMs: number;
    /** Between not being ready any more and taking no more connections. */
    readonly delayMs: number;
  };
  readonly authenticators: readonly CompiledAuthenticator[];
  /** null: none. */
  readonly tokenService: CompiledTokenService | null;
  /** API keys that are made at run time; null: none are. */
  readonly keys: CompiledKeys | null;
  /** What is shared with other gateways; null: nothing. */
  readonly store: CompiledStore | null;
  readonly plugins: readonly CompiledPlugin[];
  /** null: objects of Kubernetes are not looked at. */
  readonly kubernetes: CompiledKubernetes | null;
  /** null: nothing needs an identity of the gateway itself. */
  readonly spiffe: SpiffeSettings | null;
  readonly upstreams: readonly CompiledUpstream[];
  /** All targets of all upstreams. */
  readonly targets: readonly CompiledTarget[];
  readonly limiters: readonly CompiledLimiter[];
  /** Splits whose shares the coordinator moves. */
  readonly rollouts: readonly CompiledRollout[];
  readonly routes: readonly CompiledRoute[];
}

/** Everything but what there may be thousands of. */
export type GatewaySettings = Omit<CompiledConfig, 'routes' | 'limiters'>;

/** How many rows there are of each kind. */
export interface RowCapacity {
  readonly routes: number;
  readonly upstreams: number;
  readonly targets: number;
  readonly limiters: number;
  readonly rollouts: number;
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
  /** Memory of records that are kept for a replay, of all threads together; 0: none are. */
  readonly replayBytes: number;
}

export interface CompiledLimits {
  readonly headerBytes: number;
  readonly headerFields: number;
  readonly bodyBytes: number;
  readonly bodyOnGet: boolean;
  /** How often a request may come through the gateway; 0: any number of times. */
  readonly passes: number;
  readonly trackedClients: number;
  /** Empty: another one at each start. */
  readonly keySecret: string;
  readonly inFlight: number;
  /** Of one worker at a time. */
  readonly compressions: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Whether that holds for loopback addresses too. */
  readonly countsLoopback: boolean;
  /** Least bytes a second of a request body; 0: no bound. */
  readonly bodyRate: number;
  /** Bytes of an upload that are read behind its reply. */
  readonly lingerBytes: number;
  /** Requests that a worker has not read yet. */
  readonly laneDepth: number;
  /** How long the oldest of them may wait. */
  readonly queueMs: number;
  /** Old objects of a worker; 0: V8's own limit. A multiple of a MiB. */
  readonly workerHeapBytes: number;
  /** New objects of a worker, in MiB. */
  readonly youngGenerationMb: number;
  /** Each of the two rings of a lane, a power of two. */
  readonly laneRingBytes: number;
}

/** How names of targets are looked up, so that each address is a target. */
export interface CompiledResolve {
  readonly intervalMs: number;
  /** Host names among the targets, each once. */
  readonly names: readonly string[];
  /** Addresses of one name that become targets, at most. */
  readonly addressesMax: number;
}

export interface CompiledTarget {
  readonly index: number;
  readonly upstreamIndex: number;
  /** scheme://host:port, without a path */
  readonly origin: string;
  /** host:port, the name that /stats shows */
  readonly hostPort: string;
  /** The Host field that the target gets when the client's is not kept. */
  readonly authority: string;
  readonly tls: boolean;
  /** It gets the client's Host, unless a route says otherwise. */
  readonly keepsHost: boolean;
  /** What the certificate must be for: a name, or an address without brackets; also without TLS. */
  readonly serverName: string;
  /** Place in `tls` of its upstream; -1: without TLS. */
  readonly tlsPlace: number;
  readonly weight: number;
  /** Used only while no other target is available. */
  readonly isBackup: boolean;
  /**
   * A row that is kept for a target that discovery finds. What it says of address, names, weight
   * and tier holds for nobody: see channel/coordinator/target-slots.ts.
   */
  readonly isSlot: boolean;
}

export interface CompiledUpstream extends CompiledProtocol {
  readonly index: number;
  readonly name: string;
  readonly targetIndexes: readonly number[];
  /** Each kind once; see `tlsPlace` of the targets. */
  readonly tls: readonly CompiledTargetTls[];
  /** Largest head of a reply. */
  readonly replyHeadBytes: number;
  /** null: each connection looks the name of its target up. */
  readonly resolve: CompiledResolve | null;
  /** null: the targets are listed in the configuration. */
  readonly discovery: CompiledDiscovery | null;
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
  /** null: the limits of the whole gateway are the only ones. */
  readonly adaptiveConcurrency: CompiledAdaptiveConcurrency | null;
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
  readonly failureOn: FailureKinds;
  readonly openForMs: number;
  /** At least openForMs. */
  readonly openForMaxMs: number;
  readonly halfOpenRequests: number;
  readonly rampUpMs: number;
}

export interface CompiledHealthCheck {
  readonly type: 'http' | 'tcp' | 'grpc';
  /** Of gRPC; empty: the server as a whole. */
  readonly service: string;
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

export interface CompiledAdaptiveConcurrency {
  readonly minConcurrency: number;
  readonly maxConcurrency: number;
  readonly updateIntervalMs: number;
  readonly samplePercentile: number;
  readonly bufferPercent: number;
  readonly minRttIntervalMs: number;
  readonly minRttRequests: number;
  readonly jitterPercent: number;
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
    /** Codes of gRPC, ascending. */
    readonly grpcStatuses: readonly number[];
  };
  readonly budgetPercent: number;
  readonly minConcurrency: number;
  readonly backOff: { readonly baseMs: number; readonly maxMs: number };
}

/** What becomes of paths that targets read in different ways. */
export interface CompiledPaths {
  /** '': kept where it does not matter for the rules of routes, else refused. */
  readonly encodedSlash: 'refuse' | 'keep' | 'decode' | '';
  /** Targets get one slash where there are several. */
  readonly merge: boolean;
}

/** What a route asks of a request beside its path and methods; what is not configured is absent. */
export interface CompiledMatch {
  /** ASCII, lower case, without a dot at the end; or `*.` and such a name. */
  readonly hosts?: readonly string[];
  /** In the order of their names. */
  readonly conditions?: readonly MatchCondition[];
  /** Not 0. */
  readonly priority?: number;
}

export interface CompiledRoute extends CompiledMatch {
  readonly index: number;
  readonly name: string;
  /** Name of the route in the configuration that this one is a part of; absent: its own. */
  readonly group?: string;
  /** What validation looks at, where the route comes from a document. */
  readonly scope?: OpenapiScope;
  /** As routing/path-pattern.ts reads it. */
  readonly path: string;
  /** Upper case; empty: every method. */
  readonly methods: readonly string[];
  /** Of the API, where it stands in a field; absent: none. */
  readonly version?: string;
  /** Of the API, where it stands in the path, with its slash; the target does not get it. */
  readonly versionPrefix?: string;
  /** Its path without the version, when that is the default one. */
  readonly aliasPath?: string;
  readonly answer: CompiledAnswer;
  /** Absent: what holds for all routes. */
  readonly paths?: CompiledPaths;
  /** Whether targets get the client's Host; absent: what the target says. */
  readonly keepsHost?: boolean;
  /** Over all tries, until the head of the reply; 0: none. */
  readonly timeoutMs: number;
  /** Absent: what holds where nothing is said. */
  readonly websocket?: CompiledWebSocket;
  /** Part of every limit on concurrency that its requests may use, in thousandths. */
  readonly shareMax: number;
  /** Indexes of authenticators, tried in order; empty: public. */
  readonly authenticators: readonly number[];
  /** Whoever has no credentials is let in; absent: nobody is who is not known. */
  readonly allowsAnonymous?: true;
  /** Of the route itself; absent: none. */
  readonly errors?: readonly ErrorRule[];
  /** Statuses of targets whose bodies pages replace; 4 and 5: all of a class. Absent: none. */
  readonly upstreamErrors?: readonly number[];
  /** null: every caller that is known may use the route. */
  readonly authorization: CompiledAuthorization | null;
  /** Indexes into limiters, at most 4; every one is to have room. */
  readonly limiterIndexes: readonly number[];
  /** What becomes of requests while the coordinator does not answer. */
  readonly onCoordinatorLost: 'wait' | 'open' | 'closed';
  /** Absent: nothing goes wrong on purpose. */
  readonly faults?: CompiledFaults;
  /** Absent: what its upstream has failed at goes nowhere else. */
  readonly fallback?: CompiledFallback;
  /** Absent: no requests are copied. */
  readonly mirror?: CompiledMirror;
  /** Absent: access records show no bodies. */
  readonly logBodies?: CompiledLogBodies;
  /** Absent: nothing is stored. */
  readonly cache?: CompiledRouteCache;
  /** Places in `plugins` of the gateway, in the order of requests; absent: none. */
  readonly plugins?: readonly number[];
  /** Some other route does without one of them. */
  readonly hasOwnPlugins?: true;
  /** Absent: event streams are as every stream. */
  readonly eventStreams?: CompiledEventStreams;
  readonly rewrite: CompiledRewrite;
  /** What is not configured is not there. */
  readonly filters: CompiledFilters;
}

/** Who answers the requests of a route: a target of an upstream, or the gateway itself. */
export type CompiledAnswer =
  | {
      readonly kind: 'upstream';
      /** Of several the first. */
      readonly upstreamIndex: number;
      /** Absent: all requests go to it. */
      readonly split?: CompiledSplit;
    }
  | { readonly kind: 'fixed'; readonly reply: CompiledFixedReply }
  | { readonly kind: 'tokens'; readonly endpoint: CompiledTokenEndpoint }
  /** The paths of an authenticator by which browsers log in; its index. */
  | { readonly kind: 'login'; readonly authenticatorIndex: number };
