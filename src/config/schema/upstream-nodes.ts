/**
 * The schema of an upstream: its targets, how one is chosen, and what happens when one fails.
 *
 * Thread: any (pure). A part of config-schema.ts; probes and look-ups stand in health-nodes.ts.
 */
import { GRPC_STATUS_NAMES } from '../../base/grpc-status.js';
import {
  booleanNode,
  durationNode,
  integerNode,
  integerOrTextNode,
  listNode,
  listOrObjectNode,
  objectNode,
  refined,
  sizeNode,
  stringNode,
} from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, TOKEN_PATTERN, typedShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';
import { DISCOVERY_NODE } from './discovery-nodes.js';
import { UPSTREAM_HOST_NODE } from './forwarding-nodes.js';
import { HEALTH_CHECK_NODE, OUTLIER_DETECTION_NODE, RESOLVE_NODE } from './health-nodes.js';
import { TARGET_TLS_NODE } from './target-tls-node.js';
import { UPSTREAM_HTTP2_NODE, UPSTREAM_PROTOCOL_NODE } from './upstream-protocol-nodes.js';

const { upstream: defaults } = DEFAULTS;

const [, ...GRPC_ERROR_NAMES] = GRPC_STATUS_NAMES;

const ALL_TEXT = typedShape<'all'>('^all$', 'an integer from 2 to 10, or "all"', "'all'");

const HASH_SOURCE_TEXT = typedShape<'clientIp' | 'path' | `header:${string}` | `cookie:${string}`>(
  `^(clientIp|path|(header|cookie):${TOKEN_PATTERN})$`,
  'one of "clientIp", "path", "header:NAME", "cookie:NAME"',
  "HashSourceName = 'clientIp' | 'path' | `header:${string}` | `cookie:${string}`",
);

const FAILURE_KIND_TEXT = typedShape<'connectFailure' | 'timeout' | 'reset' | '5xx'>(
  '^(connectFailure|timeout|reset|5xx)$',
  'one of "connectFailure", "timeout", "reset", "5xx", or a status from 400 to 599',
  "FailureKind = 'connectFailure' | 'timeout' | 'reset' | '5xx' | number",
);

const RETRY_CONDITION_TEXT = typedShape<'connectFailure' | 'reset' | 'timeout' | 'gatewayError'>(
  '^(connectFailure|reset|timeout|gatewayError)$',
  'one of "connectFailure", "reset", "timeout", "gatewayError", or a status from 400 to 599',
  "RetryCondition = 'connectFailure' | 'reset' | 'timeout' | 'gatewayError' | number",
);

/** Statuses that say that something went wrong. */
const ERROR_RANGE = [400, 599] as const;

/** What a target can fail by. */
export const FAILURE_KIND_NODE = integerOrTextNode(ERROR_RANGE, FAILURE_KIND_TEXT);

const TARGET_NODE = objectNode(
  'TargetConfig',
  'One address of an upstream.',
  {
    url: stringNode(
      '`http://host:port` or `https://host:port`, without path, query or credentials.',
      { minLength: 1, maxLength: 512 },
    ),
    weight: integerNode(
      'How large a part of the requests it gets beside the others. Not for `roundRobin`.',
      [1, 1000],
      { default: defaults.target.weight },
    ),
    backup: booleanNode(
      'Whether it is used only while no other target is available.',
      defaults.target.backup,
    ),
    tls: refined(TARGET_TLS_NODE, {
      description: "What of the upstream's `tls` is otherwise for this target.",
    }),
  },
  'url',
);

const STICKY_COOKIE_NODE = objectNode(
  'StickyCookieConfig',
  'Keeps a client at its target by a cookie. Only who has the secret can read which target a ' +
    'cookie names.',
  {
    name: stringNode('Name of the cookie.', HEADER_NAME_TEXT),
    maxAge: durationNode('How long the client keeps it.', ['1s', '8760h'], {
      'x-absent': 'until the session of the browser ends',
    }),
    secret: stringNode(
      'What values are made with (HMAC-SHA-256, RFC 2104). With it a client stays at its target ' +
        'after a restart of the gateway, and with every gateway that has the same secret. Best ' +
        'given as a variable: `${STICKY_SECRET}`.',
      {
        'x-absent': 'follows from `store.secret`, else a random one for each process',
        minLength: 32,
        maxLength: 4096,
        writeOnly: true,
      },
    ),
  },
  'name',
);

const LOAD_BALANCING_NODE = objectNode('LoadBalancingConfig', 'How a target is chosen.', {
  policy: stringNode(
    '`roundRobin`: in turn. `weightedRoundRobin`: in turn, by weight. `leastRequest`: the one ' +
      'with the fewest requests in flight for its weight. `consistentHash`: the same one for ' +
      'the same `hashOn`. `random`: at random, by weight.',
    {
      'x-typescript': 'BalancingPolicy',
      default: defaults.loadBalancing.policy,
      enum: ['roundRobin', 'weightedRoundRobin', 'leastRequest', 'consistentHash', 'random'],
    },
  ),
  choices: integerOrTextNode([2, 10], ALL_TEXT, {
    description: 'Targets that `leastRequest` draws and compares, or `all`.',
    default: defaults.loadBalancing.choices,
  }),
  hashOn: stringNode(
    'What `consistentHash` goes by. A request without that field or cookie goes by `clientIp`.',
    { default: defaults.loadBalancing.hashOn, ...HASH_SOURCE_TEXT },
  ),
  slowStart: durationNode(
    'How long a target that becomes healthy gets less than its part of the requests.',
    ['0s', '1h'],
    { default: defaults.loadBalancing.slowStart },
  ),
  panicThreshold: integerNode(
    'Percent of healthy targets below which health is ignored. 0: health is never ignored.',
    [0, 100],
    { default: defaults.loadBalancing.panicThreshold },
  ),
  stickyCookie: STICKY_COOKIE_NODE,
});

const FAILURE_RATE_NODE = objectNode(
  'FailureRateConfig',
  'Opens the circuit by the share of failures among recent requests, beside failures in a row.',
  {
    percent: integerNode('Share of failures that opens the circuit, in percent.', [1, 100]),
    minimumRequests: integerNode(
      'Requests in the window below which the share says nothing.',
      [1, 100_000],
      { default: defaults.failureRate.minimumRequests },
    ),
    window: durationNode('How far back requests count.', ['1s', '1h'], {
      default: defaults.failureRate.window,
    }),
  },
  'percent',
);

const CIRCUIT_BREAKER_NODE = objectNode(
  'CircuitBreakerConfig',
  'When a failing target is left alone, and when it gets another chance. Each target has a ' +
    'breaker of its own.',
  {
    failureThreshold: integerNode('Failures in a row that open the circuit.', [1, 1000], {
      default: defaults.circuitBreaker.failureThreshold,
    }),
    failureRate: FAILURE_RATE_NODE,
    failureOn: listNode(
      'What counts as a failure. `5xx` stands for the statuses 500 to 599; any status from 400 ' +
        'to 599 may be named.',
      FAILURE_KIND_NODE,
      {
        'x-absent':
          '`[connectFailure, timeout, reset, "5xx"]`; without `"5xx"` where an upstream has one ' +
          'target and no `resolve`, since a route with a mistake would shut out all others',
        maxItems: 32,
        uniqueItems: true,
      },
    ),
    openFor: durationNode('How long an open circuit lets nothing through.', ['100ms', '1h'], {
      default: defaults.circuitBreaker.openFor,
    }),
    openForMax: durationNode(
      'Longest `openFor`, which doubles each time that the probe fails.',
      ['100ms', '24h'],
      { 'x-absent': 'the same as `openFor`' },
    ),
    halfOpenRequests: integerNode(
      'Requests let through at once to probe a half-open circuit.',
      [1, 100],
      { default: defaults.circuitBreaker.halfOpenRequests },
    ),
    rampUp: durationNode(
      'How long a target that has recovered gets less than its part of the requests.',
      ['0s', '1h'],
      { default: defaults.circuitBreaker.rampUp },
    ),
  },
);

const TIMEOUTS_NODE = objectNode('TimeoutsConfig', 'Longest waits in an exchange with a target.', {
  connect: durationNode('Until the connection stands.', ['1ms', '5m'], {
    default: defaults.timeouts.connect,
  }),
  response: durationNode(
    'From the request being sent until the head of the reply is there.',
    ['1ms', '1h'],
    { default: defaults.timeouts.response },
  ),
  idle: durationNode('Between two pieces of the body of a reply.', ['1ms', '24h'], {
    default: defaults.timeouts.idle,
  }),
  perTry: durationNode(
    'One try, from connecting until the head of its reply. At most `response`.',
    ['1ms', '1h'],
    { 'x-absent': 'the same as `response`' },
  ),
});

const { adaptiveConcurrency: adaptive } = defaults;

const ADAPTIVE_CONCURRENCY_NODE = objectNode(
  'AdaptiveConcurrencyConfig',
  "A limit on the requests in flight at an upstream that follows the upstream's latency, as " +
    "Envoy's adaptive concurrency does. It counts the requests of all workers together. While " +
    'latency stays near what it is without load (minRtt) the limit grows, else it falls. ' +
    'Requests beyond the limit are refused with 503. Every `minRttInterval`, and at the start, ' +
    'the limit goes down to `minConcurrency` until minRtt has been measured.',
  {
    minConcurrency: integerNode('Least limit.', [1, 10_000], { default: adaptive.minConcurrency }),
    maxConcurrency: integerNode('Greatest limit.', [1, 100_000], {
      default: adaptive.maxConcurrency,
    }),
    updateInterval: durationNode(
      'How often the limit is set; in steps of 100ms while there is no load.',
      ['10ms', '1m'],
      { default: adaptive.updateInterval },
    ),
    samplePercentile: integerNode(
      'Percentile of the latencies of an interval that the limit goes by.',
      [1, 99],
      { default: adaptive.samplePercentile },
    ),
    bufferPercent: integerNode('By how many percent latency may exceed minRtt.', [0, 1000], {
      default: adaptive.bufferPercent,
    }),
    minRttInterval: durationNode('How often minRtt is measured.', ['1s', '24h'], {
      default: adaptive.minRttInterval,
    }),
    minRttRequests: integerNode('Requests from which minRtt is measured.', [1, 10_000], {
      default: adaptive.minRttRequests,
    }),
    jitterPercent: integerNode(
      'Percent of `minRttInterval` by which each interval is longer at random.',
      [0, 100],
      { default: adaptive.jitterPercent },
    ),
  },
);

const { retry } = defaults;

const BACK_OFF_NODE = objectNode(
  'BackOffConfig',
  'How long a retry waits: a random part of a span that doubles each time.',
  {
    base: durationNode('The first span.', ['0s', '1m'], { default: retry.backOff.base }),
    max: durationNode('The longest span.', ['0s', '5m'], { default: retry.backOff.max }),
  },
);

const RETRY_NODE = objectNode(
  'RetryConfig',
  'When a request that failed is sent again, to another target where there is one. An upstream ' +
    'with one target and no `retry` retries nothing.',
  {
    attempts: integerNode('Retries of one request; 0 for none.', [0, 10], {
      default: retry.attempts,
    }),
    on: listNode(
      'What is retried, if that is safe: nothing was sent, or the request is idempotent, has a ' +
        'body of at most 64 KiB, and no reply has begun. `gatewayError` stands for the statuses ' +
        '502, 503 and 504; any status from 400 to 599 may be named.',
      integerOrTextNode(ERROR_RANGE, RETRY_CONDITION_TEXT),
      { default: retry.on, maxItems: 32, uniqueItems: true },
    ),
    grpcStatus: listNode(
      'Statuses of gRPC that are retried, by their names. A call is sent again when its target ' +
        'ended it with one of them before any message, and its request has at most 64 KiB: name ' +
        'only what says that nothing was done, such as `UNAVAILABLE`.',
      stringNode('', { 'x-typescript': 'GrpcErrorName', enum: GRPC_ERROR_NAMES }),
      { 'x-absent': 'none', maxItems: 16, uniqueItems: true },
    ),
    budgetPercent: integerNode(
      'Retries and hedges that there may be, in percent of the requests of the last ten seconds.',
      [0, 100],
      { default: retry.budgetPercent },
    ),
    minConcurrency: integerNode(
      'Retries and hedges that there may be in ten seconds however few the requests are.',
      [0, 10_000],
      { default: retry.minConcurrency },
    ),
    backOff: BACK_OFF_NODE,
  },
);

const HEDGE_NODE = objectNode(
  'HedgeConfig',
  'A second try at another target when the first one is slow. Only for idempotent requests; it ' +
    'counts as a retry.',
  {
    after: durationNode('How long the first try may take before the second begins.', ['1ms', '5m']),
  },
  'after',
);

/** Targets of one upstream, at most. */
export const TARGETS_MAX = 256;

/** One entry of `upstreams`. */
export const UPSTREAM_NODE = objectNode(
  'UpstreamConfig',
  'One logical service: a set of targets that do the same.',
  {
    targets: listOrObjectNode(
      'Addresses of the service, each only once; or the one source that says which there are.',
      TARGET_NODE,
      DISCOVERY_NODE,
      { minItems: 1, maxItems: TARGETS_MAX },
    ),
    protocol: UPSTREAM_PROTOCOL_NODE,
    http2: UPSTREAM_HTTP2_NODE,
    preserveHost: UPSTREAM_HOST_NODE,
    loadBalancing: LOAD_BALANCING_NODE,
    circuitBreaker: CIRCUIT_BREAKER_NODE,
    healthCheck: HEALTH_CHECK_NODE,
    outlierDetection: OUTLIER_DETECTION_NODE,
    resolve: RESOLVE_NODE,
    tls: TARGET_TLS_NODE,
    replyHeadBytes: sizeNode(
      'Largest head of a reply, which may have a field for each 64 bytes of that, and 256 in any ' +
        'case. A larger one is answered with 502.',
      ['1KiB', '256KiB'],
      { default: defaults.replyHeadBytes },
    ),
    timeouts: TIMEOUTS_NODE,
    adaptiveConcurrency: ADAPTIVE_CONCURRENCY_NODE,
    retry: RETRY_NODE,
    hedge: HEDGE_NODE,
  },
  'targets',
);
