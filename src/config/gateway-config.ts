/**
 * The configuration as users write it, in a file or in TypeScript.
 *
 * Thread: any (pure). Types only: what is checked stands in schema.ts, whose builders make the
 * compiler refuse a field that is missing on either side. Filters describe theirs themselves.
 */

import type { ByteSize, Duration } from '../base/quantities.js';
import type { AuthenticatorConfig, AuthorizeConfig } from './authenticator-config.js';
import type { GatewayFiltersConfig, RouteFiltersConfig } from './filters-config.js';
import type { HealthCheckConfig, OutlierDetectionConfig } from './health-config.js';
import type { LoggingConfig, TracingConfig } from './observability-config.js';
import type { ReloadConfig, ShutdownConfig } from './operation-config.js';
import type { AdaptiveConcurrencyConfig, RoutePriority } from './overload-config.js';
import type { TokenEndpoint, TokenServiceConfig } from './token-service-config.js';

/** The whole configuration. Only `upstreams` and `routes` are required. */
export interface GatewayConfig extends GatewayFiltersConfig {
  /** Where clients connect. */
  readonly listen?: ListenConfig;
  /** Where operators read counters and health. Keep it away from clients. */
  readonly admin?: AdminConfig;
  /** Number of worker threads, 1 to 64. Default: cores - 1, at least 1. */
  readonly workers?: number;
  /**
   * Addresses and CIDR ranges of proxies in front of the gateway, such as `10.0.0.0/8` or `::1`.
   * X-Forwarded-For is believed only from these, read from right to left. Default: none.
   */
  readonly trustedProxies?: readonly string[];
  /** Bounds on memory and on the size of a request. */
  readonly limits?: LimitsConfig;
  /** What is logged. */
  readonly logging?: LoggingConfig;
  /** Where spans of requests are sent. Default: nowhere. */
  readonly tracing?: TracingConfig;
  /** When the configuration is read again. */
  readonly reload?: ReloadConfig;
  /** How the gateway stops. */
  readonly shutdown?: ShutdownConfig;
  /** Ways to find out who calls, by a name that routes refer to. Default: none. */
  readonly authenticators?: Readonly<Record<string, AuthenticatorConfig>>;
  /** Makes tokens for known callers. Default: none. */
  readonly tokenService?: TokenServiceConfig;
  /** The services behind the gateway, by a name that routes refer to. At least one. */
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>;
  /** Which requests go where. At least one; the order has no meaning. */
  readonly routes: readonly RouteConfig[];
}

/** The address that clients connect to. */
export interface ListenConfig {
  /** Host name or IP address to bind. Default: 127.0.0.1; 0.0.0.0 or :: for every interface. */
  readonly host?: string;
  /** TCP port, 0 to 65535; 0 lets the system choose a free one. Default: 8080. */
  readonly port?: number;
  /**
   * Several gateways of one user may listen on the same port (SO_REUSEPORT): the kernel spreads new
   * connections over them. Each has limits, breakers and an admin port of its own. Default: false,
   * and a second one does not start.
   */
  readonly reusePort?: boolean;
}

/** The admin listener: its address, and who may use it. */
export interface AdminConfig {
  /** Host name or IP address to bind. Default: 127.0.0.1, reachable from this machine only. */
  readonly host?: string;
  /** TCP port, 0 to 65535; 0 lets the system choose a free one. Default: 9901. */
  readonly port?: number;
  /**
   * What `Authorization: Bearer` must have for requests that change something, 16 to 1024
   * printable characters. Best given as a variable: `${ADMIN_TOKEN}`. Default: none, and such
   * requests are refused.
   */
  readonly token?: string;
  /**
   * Names under which the listener may be called, without ports, at most 64. IP addresses,
   * `localhost` and `host` always are; others are refused, since a page in a browser could use
   * any name that points here (DNS rebinding). Default: none.
   */
  readonly allowedHosts?: readonly string[];
}

/** Bounds that keep memory flat under any load. */
export interface LimitsConfig {
  /** Size of a request head, 1KiB to 32KiB. Larger: 431. Default: 16KiB. */
  readonly headerBytes?: ByteSize;
  /** Size of a request body, 0 to 1024MiB. Larger: 413. Default: 1MiB. */
  readonly bodyBytes?: ByteSize;
  /** Clients whose rate limits are remembered at once, 1024 to 16777216. Default: 262144. */
  readonly trackedClients?: number;
  /** Requests started and not finished, 1 to 1000000. More: 503. Default: 10000. */
  readonly inFlight?: number;
  /**
   * Client connections in all, 1 to 1000000; fewer where the system allows fewer open files.
   * More: closed at once. Default: 8192.
   */
  readonly connections?: number;
  /**
   * Client connections of one address (IPv6: /64), 1 to 1000000; not for `trustedProxies`, and on
   * Linux only. More: closed at once. Default: 1024, and no bound for loopback addresses.
   */
  readonly connectionsPerAddress?: number;
  /**
   * Least bytes a second of a request body on its way, 0 to 1MiB; a client that stays below for
   * half a minute: 408. 0: no bound. Default: 240.
   */
  readonly bodyRate?: ByteSize;
  /** Requests that one worker has not read yet, 1 to 100000. More: 503. Default: 2048. */
  readonly laneDepth?: number;
  /** How long requests may wait for their worker, 10ms to 1m. Longer: 503. Default: 1s. */
  readonly queueTime?: Duration;
  /**
   * Heap of each worker, 32MiB to 65536MiB. A worker that needs more ends; its requests go on with
   * others, and it is replaced. Bodies on their way lie outside. Default: what V8 takes for right.
   */
  readonly workerHeap?: ByteSize;
}

/** One logical service: a set of targets that do the same. */
export interface UpstreamConfig {
  /** Addresses of the service. At least one, each only once. */
  readonly targets: readonly TargetConfig[];
  /** How a target is chosen. */
  readonly loadBalancing?: LoadBalancingConfig;
  /** When a failing target is left alone. Each target has a breaker of its own. */
  readonly circuitBreaker?: CircuitBreakerConfig;
  /** Probes of each target. Default: none. */
  readonly healthCheck?: HealthCheckConfig;
  /**
   * Looks the host names of targets up again and again; each address is a target of its own.
   * Default: a name is one target, and each new connection looks it up.
   */
  readonly resolve?: ResolveConfig;
  /** Whether a target is taken out that answers badly. Default: no. */
  readonly outlierDetection?: OutlierDetectionConfig;
  /** How long each part of an exchange with a target may take. */
  readonly timeouts?: TimeoutsConfig;
  /** A limit on requests in flight that follows the upstream's latency. Default: none. */
  readonly adaptiveConcurrency?: AdaptiveConcurrencyConfig;
  /** When a request that failed is sent again. Default: once, at another target if there is one. */
  readonly retry?: RetryConfig;
  /** A second try at another target when the first is slow. Default: none. */
  readonly hedge?: HedgeConfig;
}

/** How host names of targets are looked up. */
export interface ResolveConfig {
  /** Between two look-ups, 1s to 1h. Default: 30s. */
  readonly interval?: Duration;
}

/** One address of an upstream. */
export interface TargetConfig {
  /** `http://host:port` or `https://host:port`; no path, query or credentials. */
  readonly url: string;
  /** Its part among the others, 1 to 1000; not for `roundRobin`. Default: 1. */
  readonly weight?: number;
  /** Used only while no other target is available. Default: false. */
  readonly backup?: boolean;
}

/** How a target is chosen. */
export interface LoadBalancingConfig {
  /**
   * `roundRobin`: in turn. `weightedRoundRobin`: in turn, by weight. `leastRequest`: the one with
   * the fewest requests in flight for its weight. `consistentHash`: the same one for the same
   * `hashOn`. `random`: by weight. Default: roundRobin.
   */
  readonly policy?: BalancingPolicy;
  /** Targets that `leastRequest` draws and compares, 2 to 10, or `all`. Default: 2. */
  readonly choices?: number | 'all';
  /** What `consistentHash` goes by; a request without it goes by clientIp. Default: clientIp. */
  readonly hashOn?: HashSource;
  /** How long a target that becomes healthy gets less than its part, 0s to 1h. Default: 0s. */
  readonly slowStart?: Duration;
  /** Percent of healthy targets below which health is ignored, 0 to 100. Default: 50. */
  readonly panicThreshold?: number;
  /** Keeps a client at its target by a cookie. Default: none. */
  readonly stickyCookie?: StickyCookieConfig;
}

export type BalancingPolicy =
  | 'roundRobin'
  | 'weightedRoundRobin'
  | 'leastRequest'
  | 'consistentHash'
  | 'random';

export type HashSource = 'clientIp' | 'path' | `header:${string}` | `cookie:${string}`;

/** A cookie that names the target, in a way that only who has the secret can read. */
export interface StickyCookieConfig {
  /** Name of the cookie. */
  readonly name: string;
  /** How long the client keeps it, 1s to 8760h. Default: as long as its session. */
  readonly maxAge?: Duration;
  /**
   * What values are made with (HMAC-SHA-256, RFC 2104), 32 to 4096 characters, best given as a
   * variable: `${STICKY_SECRET}`. With it a client stays at its target after a restart, and with
   * every gateway that has the same secret. Default: a random one for each process.
   */
  readonly secret?: string;
}

/** When a failing target is left alone, and when it gets another chance. */
export interface CircuitBreakerConfig {
  /** Failures in a row that open the circuit, 1 to 1000. Default: 5. */
  readonly failureThreshold?: number;
  /** Share of failures that opens the circuit, beside those in a row. Default: none. */
  readonly failureRate?: FailureRateConfig;
  /** What counts as a failure. Default: connectFailure, timeout, reset, 5xx. */
  readonly failureOn?: readonly FailureKind[];
  /** How long an open circuit lets nothing through, 100ms to 1h. Default: 60s. */
  readonly openFor?: Duration;
  /** Longest `openFor`, which doubles each time that the probe fails. Default: openFor. */
  readonly openForMax?: Duration;
  /** Requests let through at once to probe a half-open circuit, 1 to 100. Default: 1. */
  readonly halfOpenRequests?: number;
  /** How long a recovered target gets less than its part, 0s to 1h. Default: 0s. */
  readonly rampUp?: Duration;
}

/** `5xx` stands for the statuses 500 to 599; any status of 400 to 599 may be named. */
export type FailureKind = 'connectFailure' | 'timeout' | 'reset' | '5xx' | number;

/** Share of failures among the requests of the last while. */
export interface FailureRateConfig {
  /** 1 to 100. */
  readonly percent: number;
  /** Requests in the window below which the share says nothing, 1 to 100000. Default: 20. */
  readonly minimumRequests?: number;
  /** 1s to 1h. Default: 10s. */
  readonly window?: Duration;
}

/** Longest waits in an exchange with a target. */
export interface TimeoutsConfig {
  /** Until the connection stands, 1ms to 5m. Default: 5s. */
  readonly connect?: Duration;
  /** From the request being sent until the head of the reply is there, 1ms to 1h. Default: 15s. */
  readonly response?: Duration;
  /** Between two pieces of a reply's body, 1ms to 24h. Default: 5m. */
  readonly idle?: Duration;
  /** One try, connecting included, until the head of its reply, 1ms to 1h. Default: `response`. */
  readonly perTry?: Duration;
}

/** When a request that failed is sent again, to another target where there is one. */
export interface RetryConfig {
  /** Retries of one request, 0 to 10. Default: 1; 0 with one target and no `retry`. */
  readonly attempts?: number;
  /**
   * What is retried, if it is safe: that nothing was sent, or that the request is idempotent,
   * has a body of at most 64 KiB, and no reply has begun. Default: connectFailure, reset.
   */
  readonly on?: readonly RetryCondition[];
  /** Retries and hedges, in percent of the requests of the last 10 s, 0 to 100. Default: 20. */
  readonly budgetPercent?: number;
  /** Retries and hedges in 10 s however few the requests are, 0 to 10000. Default: 3. */
  readonly minConcurrency?: number;
  /** How long a retry waits: a random part of a span that doubles each time. */
  readonly backOff?: BackOffConfig;
}

/** `gatewayError` stands for the statuses 502, 503 and 504; any of 400 to 599 may be named. */
export type RetryCondition = 'connectFailure' | 'reset' | 'timeout' | 'gatewayError' | number;

/** The span from which the wait before a retry is drawn. */
export interface BackOffConfig {
  /** The first span, 0s to 1m. Default: 25ms. */
  readonly base?: Duration;
  /** The longest span, 0s to 5m. Default: 250ms. */
  readonly max?: Duration;
}

/** A second try at another target, of idempotent requests only; it counts as a retry. */
export interface HedgeConfig {
  /** How long the first try may take before the second begins, 1ms to 5m. */
  readonly after: Duration;
}

/** Which requests go to which upstream, and what happens on the way. */
export interface RouteConfig extends RouteFiltersConfig {
  /** Name in logs, counters and RateLimit-Policy. Unique. */
  readonly name: string;
  /** Which requests. */
  readonly match: MatchConfig;
  /**
   * Name of a file with an OpenAPI 3.0 or 3.1 document (JSON or YAML; relative to this one). The
   * route becomes one for each operation below `match.path`, which ends in `/*`, with the
   * validation that the document asks for; all else here holds for each of them.
   */
  readonly openapi?: string;
  /** Name of an upstream. In its place: `respond`, `redirect` or `tokenService`. */
  readonly upstream?: string;
  /** What the token service does here. Default: nothing. */
  readonly tokenService?: TokenEndpoint;
  /**
   * From the request being sent until the head of the reply, over all tries and the waits between
   * them, 1ms to 1h. Default: none.
   */
  readonly timeout?: Duration;
  /**
   * Which routes are shed first: when some route has another one than the rest, requests of `low`
   * may use 70 % of every limit on concurrency, `default` 90 %, `high` all. Default: default.
   */
  readonly priority?: RoutePriority;
  /** Names of authenticators; one that accepts is enough. Default: none, the route is public. */
  readonly authenticate?: readonly string[];
  /** What the caller must be allowed to do; needs `authenticate`. Default: nothing. */
  readonly authorize?: AuthorizeConfig;
  /** How often a client may call: one limit, or a list of them, all of which must have room. */
  readonly rateLimit?: RateLimitConfig | readonly RateLimitConfig[];
  /**
   * While the thread that decides upon limits and targets is being restarted: `wait` waits up to
   * 100 ms and then answers 503, `open` lets requests through without a limit, `closed` answers
   * 503 at once. A route without limits goes on after the wait. Default: wait.
   */
  readonly onCoordinatorLost?: 'wait' | 'open' | 'closed';
}

/** Which requests a route takes. */
export interface MatchConfig {
  /** `/exact`, `/with/:param` or `/prefix/*`. */
  readonly path: string;
  /** HTTP methods, upper case, at least one. Default: every method. */
  readonly methods?: readonly HttpMethod[];
  /** Version of the API that a request must ask for; see `versioning`. Default: none. */
  readonly version?: string;
}

/** Methods that a route may name. */
export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

/** How often a client may call a route; `limit` with `window`, or `maxInFlight`, or all three. */
export interface RateLimitConfig {
  /**
   * Name in RateLimit-Policy and /stats. Default: the route's, from the second limit on with a
   * number; `-inFlight` is added for `maxInFlight` where there is a `limit` as well.
   */
  readonly name?: string;
  /** Requests a window, 1 to 1000000. */
  readonly limit?: number;
  /** Length of the window, 100ms to 24h. */
  readonly window?: Duration;
  /**
   * `slidingWindow`: never more than `limit` in any window. `tokenBucket`: `limit` a window on
   * the average, with bursts. `fixedWindow`: `limit` in a window that begins
   * with its first request, and so up to twice that around its end. Default: slidingWindow.
   */
  readonly algorithm?: 'slidingWindow' | 'tokenBucket' | 'fixedWindow';
  /** Requests that may come at once, 1 to 1000000; `tokenBucket` only. Default: `limit`. */
  readonly burst?: number;
  /**
   * Who shares one limit: `clientIp` (IPv6 by /64), `consumer` (the authenticated caller; needs
   * `authenticate`), `route` (everybody together), `header:NAME`, or a list of these, which
   * counts each combination by itself. Default: clientIp.
   */
  readonly key?: LimiterKeyName | readonly LimiterKeyName[];
  /** What one request takes of the limit, 1 to 1000000, at most `limit` or `burst`. Default: 1. */
  readonly cost?: number;
  /** Requests of one key that may be in flight at once, 1 to 1000000. Default: no such limit. */
  readonly maxInFlight?: number;
  /**
   * `enforce` refuses what is over the limit; `shadow` only counts what it would have refused;
   * `off` does nothing. Default: enforce.
   */
  readonly mode?: 'enforce' | 'shadow' | 'off';
}

/** One part of the key of a limit. */
export type LimiterKeyName = 'clientIp' | 'consumer' | 'route' | `header:${string}`;

/** The same configuration, with the editor's help while it is written. */
export function defineConfig(config: GatewayConfig): GatewayConfig {
  return config;
}
