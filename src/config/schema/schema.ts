/**
 * The JSON Schema (draft 2020-12) of the configuration: the one list of keys, types and bounds.
 *
 * Thread: any (pure). The loader checks with it, `sluice schema` prints it for editors. What a
 * schema cannot say (references, overlaps, lengths in bytes) is checked in check-*.ts.
 */
import type { HardeningConfig, RequestIdConfig } from '../../routing/options.js';
import { TARGETS_MAX } from '../compile/target-addresses.js';
import { DEFAULTS, WORKER_COUNT_MAX } from '../defaults.js';
import type {
  AdminConfig,
  GatewayConfig,
  LimitsConfig,
  ListenConfig,
  TimeoutsConfig,
  UpstreamConfig,
} from '../gateway-config.js';
import type { ReloadConfig, ShutdownConfig } from '../operation-config.js';
import { AUTHENTICATOR_NODE, TOKEN_SERVICE_NODE } from './schema-authenticators.js';
import {
  CORS_NODE,
  IP_FILTER_NODE,
  SECURITY_HEADERS_NODE,
  VERSIONING_NODE,
} from './schema-filters.js';
import {
  BEARER_TOKEN_PATTERN,
  booleanNode,
  durationNode,
  HOST_PATTERN,
  integerNode,
  listNode,
  mapNode,
  objectNode,
  REFERENCE_NAME,
  type SchemaNode,
  sizeNode,
  stringNode,
} from './schema-node.js';
import { LOGGING_NODE, TRACING_NODE } from './schema-observability.js';
import { ADAPTIVE_CONCURRENCY_NODE } from './schema-overload.js';
import { HEDGE_NODE, RETRY_NODE } from './schema-retry.js';
import { ROUTE_NODE } from './schema-route.js';
import {
  CIRCUIT_BREAKER_NODE,
  HEALTH_CHECK_NODE,
  LOAD_BALANCING_NODE,
  OUTLIER_DETECTION_NODE,
  RESOLVE_NODE,
  TARGET_NODE,
} from './schema-targets.js';

const PORT_DESCRIPTION = 'TCP port; 0 lets the system choose a free one.';
const PORT_RANGE = [0, 65_535] as const;

const LISTEN_NODE = objectNode<ListenConfig>('Where clients connect.', {
  host: stringNode('Host name or IP address to bind; 0.0.0.0 or :: for every interface.', {
    default: DEFAULTS.listen.host,
    pattern: HOST_PATTERN,
  }),
  port: integerNode(PORT_DESCRIPTION, PORT_RANGE, { default: DEFAULTS.listen.port }),
  reusePort: booleanNode(
    'Several gateways may listen on the same port (SO_REUSEPORT).',
    DEFAULTS.listen.reusePort,
  ),
});

const ADMIN_NODE = objectNode<AdminConfig>(
  'Where operators read counters and health. Keep it away from clients.',
  {
    host: stringNode('Host name or IP address to bind.', {
      default: DEFAULTS.admin.host,
      pattern: HOST_PATTERN,
    }),
    port: integerNode(PORT_DESCRIPTION, PORT_RANGE, { default: DEFAULTS.admin.port }),
    token: stringNode('Bearer token for what changes something. Absent: that is refused.', {
      minLength: 16,
      maxLength: 1024,
      pattern: BEARER_TOKEN_PATTERN,
      writeOnly: true,
    }),
    allowedHosts: listNode(
      'Names under which the listener may be called, besides IP addresses and localhost.',
      { type: 'string', pattern: HOST_PATTERN },
      { default: [], maxItems: 64, uniqueItems: true },
    ),
  },
);

const LIMITS_NODE = objectNode<LimitsConfig>('Bounds on memory and on the size of a request.', {
  headerBytes: sizeNode(
    'Size of a request head. Larger: 431.',
    ['1KiB', '32KiB'],
    DEFAULTS.limits.headerBytes,
  ),
  bodyBytes: sizeNode(
    'Size of a request body. Larger: 413.',
    ['0', '1024MiB'],
    DEFAULTS.limits.bodyBytes,
  ),
  trackedClients: integerNode(
    'Clients whose rate limits are remembered at once.',
    [1024, 16_777_216],
    { default: DEFAULTS.limits.trackedClients },
  ),
  inFlight: integerNode('Requests started and not finished. More: 503.', [1, 1_000_000], {
    default: DEFAULTS.limits.inFlight,
  }),
  connections: integerNode('Client connections in all. More: closed at once.', [1, 1_000_000], {
    default: DEFAULTS.limits.connections,
  }),
  connectionsPerAddress: integerNode(
    'Client connections of one address; not for trustedProxies, nor by default for loopback.',
    [1, 1_000_000],
    { default: DEFAULTS.limits.connectionsPerAddress },
  ),
  bodyRate: sizeNode(
    'Least bytes a second of a request body on its way. Less for half a minute: 408. 0: no bound.',
    ['0', '1MiB'],
    DEFAULTS.limits.bodyRate,
  ),
  laneDepth: integerNode('Requests that one worker has not read yet. More: 503.', [1, 100_000], {
    default: DEFAULTS.limits.laneDepth,
  }),
  queueTime: durationNode(
    'How long requests may wait for their worker. Longer: 503.',
    ['10ms', '1m'],
    { default: DEFAULTS.limits.queueTime },
  ),
  workerHeap: sizeNode(
    'Heap of each worker, which ends and is replaced when it needs more. Absent: as V8 has it.',
    ['32MiB', '65536MiB'],
  ),
});

const HARDENING_NODE = objectNode<HardeningConfig>(
  'What is done about spellings that a target could read in another way.',
  {
    pathParameters: stringNode(
      'refuse: 400 for a path with ";", which some targets cut off. allow: part of the name.',
      { default: DEFAULTS.hardening.pathParameters, enum: ['refuse', 'allow'] },
    ),
    overrideHeaders: stringNode(
      'X-HTTP-Method-Override, X-Original-URL and their like: remove, or forward.',
      { default: DEFAULTS.hardening.overrideHeaders, enum: ['remove', 'forward'] },
    ),
  },
);

const REQUEST_ID_NODE = objectNode<RequestIdConfig>('Where the id of a request comes from.', {
  accept: stringNode('Whose X-Request-Id is kept, if it is sane.', {
    default: DEFAULTS.requestId.accept,
    enum: ['anyone', 'trustedProxies', 'nobody'],
  }),
});

const RELOAD_NODE = objectNode<ReloadConfig>('When the configuration is read again.', {
  watch: booleanNode(
    'Whether a change of the file is applied by itself. SIGHUP and POST /reload always do.',
    DEFAULTS.reload.watch,
  ),
});

const SHUTDOWN_NODE = objectNode<ShutdownConfig>('How the gateway stops.', {
  delay: durationNode('How long requests are still taken after /readyz says 503.', ['0s', '10m'], {
    default: DEFAULTS.shutdown.delay,
  }),
  grace: durationNode('Longest wait for requests in flight before they are cut.', ['0s', '1h'], {
    default: DEFAULTS.shutdown.grace,
  }),
});

const TIMEOUTS_NODE = objectNode<TimeoutsConfig>('Longest waits in an exchange with a target.', {
  connect: durationNode('Until the connection stands.', ['1ms', '5m'], {
    default: DEFAULTS.upstream.timeouts.connect,
  }),
  response: durationNode(
    'From the request being sent until the head of the reply is there.',
    ['1ms', '1h'],
    { default: DEFAULTS.upstream.timeouts.response },
  ),
  idle: durationNode("Between two pieces of a reply's body.", ['1ms', '24h'], {
    default: DEFAULTS.upstream.timeouts.idle,
  }),
  perTry: durationNode(
    'One try, connecting included, until the head of its reply. Absent: response.',
    ['1ms', '1h'],
  ),
});

const UPSTREAM_NODE = objectNode<UpstreamConfig>(
  'One logical service: a set of targets that do the same.',
  {
    targets: listNode('Addresses of the service, each only once.', TARGET_NODE, {
      minItems: 1,
      maxItems: TARGETS_MAX,
    }),
    loadBalancing: LOAD_BALANCING_NODE,
    circuitBreaker: CIRCUIT_BREAKER_NODE,
    healthCheck: HEALTH_CHECK_NODE,
    outlierDetection: OUTLIER_DETECTION_NODE,
    resolve: RESOLVE_NODE,
    timeouts: TIMEOUTS_NODE,
    adaptiveConcurrency: ADAPTIVE_CONCURRENCY_NODE,
    retry: RETRY_NODE,
    hedge: HEDGE_NODE,
  },
  'targets',
);

const ROOT_NODE = objectNode<GatewayConfig>(
  'Configuration of the Sluice gateway.',
  {
    listen: LISTEN_NODE,
    admin: ADMIN_NODE,
    workers: integerNode('Number of worker threads. Absent: cores - 1, at least 1.', [
      1,
      WORKER_COUNT_MAX,
    ]),
    trustedProxies: listNode(
      'Addresses and CIDR ranges of proxies whose X-Forwarded-For is believed.',
      { type: 'string', minLength: 2, maxLength: 64 },
      { default: [], maxItems: 1024, uniqueItems: true },
    ),
    hardening: HARDENING_NODE,
    requestId: REQUEST_ID_NODE,
    ipFilter: IP_FILTER_NODE,
    versioning: VERSIONING_NODE,
    cors: CORS_NODE,
    securityHeaders: SECURITY_HEADERS_NODE,
    limits: LIMITS_NODE,
    logging: LOGGING_NODE,
    tracing: TRACING_NODE,
    reload: RELOAD_NODE,
    shutdown: SHUTDOWN_NODE,
    authenticators: mapNode('Ways to find out who calls, by name.', AUTHENTICATOR_NODE, {
      type: 'object',
      propertyNames: REFERENCE_NAME,
      maxProperties: 64,
    }),
    tokenService: TOKEN_SERVICE_NODE,
    upstreams: mapNode('The services behind the gateway, by name.', UPSTREAM_NODE, {
      type: 'object',
      propertyNames: REFERENCE_NAME,
      minProperties: 1,
      maxProperties: 1024,
    }),
    routes: listNode('Which requests go where; the order has no meaning.', ROUTE_NODE, {
      minItems: 1,
      maxItems: 10_000,
    }),
  },
  'upstreams',
  'routes',
);

/** The schema of a whole configuration file. */
export const CONFIG_SCHEMA: SchemaNode = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Sluice configuration',
  ...ROOT_NODE,
};
