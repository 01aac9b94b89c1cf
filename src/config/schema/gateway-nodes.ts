/**
 * The schema of what the gateway as a whole is given: the admin listener, limits, reloads, its end.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  lengthNode,
  listNode,
  objectNode,
  refined,
  sizeNode,
  stringNode,
  switchNode,
  textNode,
} from '../../schema/schema-node.js';
import { FACTOR_TEXT, HEADER_NAME_TEXT, HOST_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS, WORKER_COUNT_MAX } from './defaults.js';
import { PORT_RANGE } from './listen-nodes.js';

const BEARER_TOKEN_TEXT = textShape('^[!-~]+$', 'printable ASCII without blanks');

const REPLAY_NODE = objectNode(
  'ReplayConfig',
  'What is kept of the last requests: what an access record has, and some fields.',
  {
    memory: sizeNode(
      'All that the records may take. A record takes some 400 bytes; the oldest ones make room.',
      ['1MiB', '1024MiB'],
      { default: DEFAULTS.admin.replay.memory },
    ),
    headers: listNode(
      'Fields of the request to keep beside `Host`: those that routes, versions and validation ' +
        'go by. Of `authorization`, `proxy-authorization` and cookies only the presence is kept.',
      textNode(HEADER_NAME_TEXT),
      { default: [], maxItems: 15, uniqueItems: true },
    ),
  },
);

export const ADMIN_NODE = objectNode(
  'AdminConfig',
  'The admin listener: its address, and who may use it. Keep it away from clients.',
  {
    host: stringNode(
      'Host name or IP address to bind. The default is reachable from this machine only.',
      { default: DEFAULTS.admin.host, ...HOST_TEXT },
    ),
    port: integerNode('TCP port. 0 lets the system choose a free one.', PORT_RANGE, {
      default: DEFAULTS.admin.port,
    }),
    token: stringNode(
      'What `Authorization: Bearer` must carry in requests that change something. Best given as ' +
        'a variable: `${ADMIN_TOKEN}`.',
      {
        'x-absent': 'none, and requests that change something are refused',
        minLength: 16,
        maxLength: 1024,
        ...BEARER_TOKEN_TEXT,
        writeOnly: true,
      },
    ),
    allowedHosts: listNode(
      'Further names under which the listener may be called, without ports. IP addresses, ' +
        '`localhost` and `host` are always allowed. All others are refused, since a web page ' +
        'could use any name that points to this machine (DNS rebinding).',
      textNode(HOST_TEXT),
      { default: [], maxItems: 64, uniqueItems: true },
    ),
    replay: switchNode(
      'Keeps records of the last requests in memory, so that `POST /replay` can say what another ' +
        'configuration would have done with them.',
      REPLAY_NODE,
      { default: false },
    ),
  },
);

export const WORKERS_NODE = integerNode('Number of worker threads.', [1, WORKER_COUNT_MAX], {
  'x-absent':
    'the cores that the process may use, also by the quota of its container, less `acceptors`, ' +
    'at least 1; fewer where the memory limit of the container has no room for them',
});

export const ACCEPTORS_NODE = integerNode(
  'Threads that take connections, each with a group of workers of its own. More than 1 needs ' +
    'listeners of which uWebSockets.js serves none. When such a thread dies its connections are ' +
    'lost; those of the other ones go on. Bounds on clients hold for all of them together.',
  [1, WORKER_COUNT_MAX],
  {
    'x-absent':
      '1 with up to five cores, else three eighths of them; `workers` are the rest then. 1 where ' +
      'a listener has `engine: uws` or `reusePort`, where none has a port, and where the ' +
      'memory limit has no room for these threads',
  },
);

export const TRUSTED_PROXIES_NODE = listNode(
  'Addresses and CIDR ranges of proxies in front of the gateway, such as `10.0.0.0/8` or `::1`. ' +
    'What a request says about its client is believed only from these; X-Forwarded-For and ' +
    'Forwarded are read from right to left.',
  lengthNode(1, 64),
  { default: [], maxItems: 1024, uniqueItems: true },
);

export const CLIENT_ADDRESS_FIELD_NODE = stringNode(
  'The field in which `trustedProxies` tell the address of the client, such as ' +
    '`X-Forwarded-For`, `Forwarded`, `X-Real-IP` or `CF-Connecting-IP`. Name the one that your ' +
    'proxy writes: a field that it only passes on was written by the client.',
  { 'x-absent': 'X-Forwarded-For, or Forwarded where a request has none', ...HEADER_NAME_TEXT },
);

const { limits } = DEFAULTS;

export const LIMITS_NODE = objectNode(
  'LimitsConfig',
  'Bounds that keep memory flat under any load.',
  {
    headerBytes: sizeNode(
      'Largest head of a request, and so of a token in it. A larger one is refused with 431.',
      ['1KiB', '64KiB'],
      { default: limits.headerBytes },
    ),
    headerFields: integerNode(
      'Fields of a head. More are refused with 431. More than 90 need the engine `wire`.',
      [10, 1000],
      { default: limits.headerFields },
    ),
    bodyBytes: sizeNode(
      'Largest body of a request. A larger one is refused with 413.',
      ['0', '1024MiB'],
      { default: limits.bodyBytes },
    ),
    bodyOnGet: booleanNode(
      'Whether GET and HEAD requests may have bodies, which go to the target. Without it they ' +
        'are refused with 400.',
      limits.bodyOnGet,
    ),
    passes: integerNode(
      'How often one request may come through this gateway, or through gateways with the same ' +
        '`keySecret`, before it is refused with 508: a target that leads back here makes a ' +
        'loop. Requests go on with an id of the gateway in CDN-Loop (RFC 8586), by which they ' +
        'are known again. 0: any number of times, and the field is left alone.',
      [0, 100],
      { default: limits.passes },
    ),
    trackedClients: integerNode(
      'Clients whose rate limits are remembered at once.',
      [1024, 16_777_216],
      { default: limits.trackedClients },
    ),
    keySecret: stringNode(
      'Key of the hash by which limits know their keys. Gateways with the same secret have the ' +
        'same hash for the same client. Best given as a variable: `${LIMITS_KEY_SECRET}`.',
      {
        minLength: 32,
        maxLength: 1024,
        writeOnly: true,
        'x-absent': 'another one at each start',
      },
    ),
    inFlight: integerNode(
      'Requests that have started and not finished. Further ones are refused with 503.',
      [1, 1_000_000],
      { default: limits.inFlight },
    ),
    compressions: integerNode(
      'Replies that one worker compresses at a time, half of them event streams at most. Further ' +
        'ones go out as they are. Each takes between 0.2 MiB (gzip) and 0.9 MiB (zstd).',
      [2, 4096],
      { default: limits.compressions },
    ),
    connections: integerNode(
      'Client connections in all; fewer where the system allows fewer open files. Further ones ' +
        'are closed at once.',
      [1, 1_000_000],
      { default: limits.connections },
    ),
    connectionsPerAddress: integerNode(
      'Client connections of one address (of one /64 for IPv6), on Linux only. Further ones are ' +
        'closed at once. The bound does not hold for `trustedProxies`, and where this key is ' +
        'absent it does not hold for loopback addresses.',
      [1, 1_000_000],
      { default: limits.connectionsPerAddress },
    ),
    bodyRate: sizeNode(
      'Least bytes a second of a request body on its way. A client that stays below for half a ' +
        'minute gets 408. 0 means no bound. Calls of gRPC have none where they are expected.',
      ['0', '1MiB'],
      { default: limits.bodyRate },
    ),
    lingerBytes: sizeNode(
      'What is still read of an upload that was answered before its end, and thrown away, so ' +
        'that the client sees the reply. After 30 s at most the connection is closed.',
      ['0', '16384MiB'],
      { default: limits.lingerBytes },
    ),
    laneDepth: integerNode(
      'Requests that one worker has not read yet. Further ones are refused with 503.',
      [1, 100_000],
      { default: limits.laneDepth },
    ),
    queueTime: durationNode(
      'How long requests may wait for their worker. After that they are refused with 503.',
      ['10ms', '1m'],
      { default: limits.queueTime },
    ),
    workerHeap: sizeNode(
      'Heap of each worker. A worker that needs more ends and is replaced; its requests go on ' +
        'with other workers. Bodies on their way lie outside the heap.',
      ['32MiB', '65536MiB'],
      { 'x-absent': "V8's own limit" },
    ),
  },
);

export const HARDENING_NODE = objectNode(
  'HardeningConfig',
  'What is done about spellings that a target could read in another way than the gateway.',
  {
    pathParameters: stringNode(
      '`;` and `%3B` in paths. Some targets cut such a part off, so that `/admin;x` would be ' +
        '`/admin` to them. `allow`: it is a part of the name. `refuse`: 400.',
      {
        'x-absent':
          'kept; but 400 where the path without it would come to a route with other rules',
        enum: ['refuse', 'allow'],
      },
    ),
    overrideHeaders: stringNode(
      'What becomes of X-HTTP-Method-Override, X-HTTP-Method, X-Method-Override, ' +
        'X-Original-URL, X-Rewrite-URL and X-Override-URL. By these some targets take another ' +
        'method or path than the one that the gateway has judged.',
      { default: DEFAULTS.hardening.overrideHeaders, enum: ['remove', 'forward'] },
    ),
    faults: stringNode(
      'Whether routes may have `faults`, which make requests fail on purpose. Allow it where ' +
        'that is tested, and nowhere else.',
      { default: DEFAULTS.hardening.faults, enum: ['refuse', 'allow'] },
    ),
  },
);

export const REQUEST_ID_NODE = objectNode(
  'RequestIdConfig',
  'Where the id of a request comes from, which logs, replies and targets get.',
  {
    accept: stringNode(
      'Whose X-Request-Id is kept, if it is well formed: that of `anyone`, of `trustedProxies`, ' +
        'or of `nobody`. Every other request gets an id that the gateway makes.',
      { default: DEFAULTS.requestId.accept, enum: ['anyone', 'trustedProxies', 'nobody'] },
    ),
  },
);

const WORSE_NODE = objectNode(
  'CanaryRollbackConfig',
  'When a configuration on trial is taken back: it is worse than the one in force by more than ' +
    'chance explains.',
  {
    errors: refined(textNode(FACTOR_TEXT), {
      description:
        'How many times the share of errors of the one in force it may have. An error is a reply ' +
        'with 5xx, and whatever the gateway itself refuses.',
      'x-absent': DEFAULTS.reload.canary.rollback.errors,
    }),
    p99: refined(textNode(FACTOR_TEXT), {
      description:
        'How many times the latency it may have, as 99 % of the requests see it, from the head ' +
        'of a request to the end of its reply.',
      'x-absent': DEFAULTS.reload.canary.rollback.p99,
    }),
    minRequests: integerNode(
      'Requests that both must have had before they are compared.',
      [20, 1_000_000],
      { default: DEFAULTS.reload.canary.rollback.minRequests },
    ),
  },
);

const CANARY_NODE = objectNode(
  'CanaryConfig',
  'A reload is tried by some of the workers first. When it does worse there than the ' +
    'configuration in force does in the others, it is taken back by itself and refused. As the ' +
    'configuration in force says it, not the one that comes.',
  {
    workers: integerNode('Workers that try it; at least one goes on as before.', [1, 64], {
      default: DEFAULTS.reload.canary.workers,
    }),
    percent: integerNode(
      'Percent of the requests that it gets where there is one worker only.',
      [1, 50],
      { default: DEFAULTS.reload.canary.percent },
    ),
    for: durationNode('How long it is tried before all workers take it.', ['1s', '1h'], {
      default: DEFAULTS.reload.canary.for,
    }),
    rollback: WORSE_NODE,
  },
);

export const RELOAD_NODE = objectNode(
  'ReloadConfig',
  'When the configuration is read again. SIGHUP and `POST /reload` always do that.',
  {
    watch: booleanNode(
      'Whether a change of the file is applied without being asked for, within two seconds.',
      DEFAULTS.reload.watch,
    ),
    canary: switchNode('Whether a reload is tried before it comes into force.', CANARY_NODE, {
      default: false,
    }),
  },
);

export const SHUTDOWN_NODE = objectNode('ShutdownConfig', 'How the gateway stops.', {
  delay: durationNode(
    'How long requests are still taken after /readyz says 503. It gives load balancers time to ' +
      'notice.',
    ['0s', '10m'],
    { default: DEFAULTS.shutdown.delay },
  ),
  grace: durationNode('Longest wait for requests in flight before they are cut.', ['0s', '1h'], {
    default: DEFAULTS.shutdown.grace,
  }),
});
