/**
 * The schema of one route, but for its filters, which bring their own.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  integerOrObjectNode,
  listNode,
  numberNode,
  objectNode,
  oneOrListNode,
  refined,
  sizeNode,
  stringNode,
  textNode,
  textOrObjectNode,
} from '../../schema/schema-node.js';
import {
  FACTOR_TEXT,
  HEADER_NAME_TEXT,
  ROUTE_NAME_TEXT,
  TOKEN_PATTERN,
  textShape,
  typedShape,
} from '../../schema/text-shapes.js';
import { AUTHORIZE_NODE, USED_NAME } from './authenticator-nodes.js';
import { ROUTE_CACHE_NODE } from './cache-nodes.js';
import { DEFAULTS } from './defaults.js';
import { ERRORS_NODE, UPSTREAM_ERRORS_NODE } from './error-nodes.js';
import { ROUTE_FALLBACK_NODE } from './fallback-node.js';
import { ROUTE_HOST_NODE, ROUTE_PATHS_NODE } from './forwarding-nodes.js';
import { LOG_BODIES_NODE } from './log-bodies-node.js';
import { MATCH_NODE } from './match-node.js';
import { LOGIN_NODE } from './oidc-node.js';
import { ROUTE_PLUGINS_NODE } from './plugin-nodes.js';
import { TOKEN_ENDPOINT_NODE } from './token-service-node.js';
import { WEBSOCKET_NODE } from './websocket-node.js';

const LIMIT_RANGE = [1, 1_000_000_000] as const;
const IN_FLIGHT_RANGE = [1, 1_000_000] as const;

const LIMITER_KEY_TEXT = typedShape<'clientIp' | 'consumer' | 'route' | `header:${string}`>(
  `^(clientIp|consumer|route|header:${TOKEN_PATTERN})$`,
  'one of "clientIp", "consumer", "route", "header:NAME"',
  "LimiterKeyName = 'clientIp' | 'consumer' | 'route' | `header:${string}`",
);

const JSON_POINTER_TEXT = textShape(
  '^(/([^~/]|~[01])*)+$',
  'a JSON pointer (written "/usage/total_tokens")',
);

const TOLD_COST_NODE = objectNode(
  'ToldCostConfig',
  'Where the reply of a target tells what its request costs: `reply` or `field`.',
  {
    reply: stringNode(
      'JSON pointer to a number in a body of JSON, or in the events of a stream, of which the ' +
        'last one counts that has it. Targets are asked for bodies without compression.',
      { maxLength: 256, ...JSON_POINTER_TEXT },
    ),
    field: stringNode(
      'Field of the head of the reply, or of its trailers, whose value is a number.',
      HEADER_NAME_TEXT,
    ),
    reserve: integerNode(
      'Taken when the request is admitted, and given back when its cost is known. A reply that ' +
        'tells no cost costs this.',
      LIMIT_RANGE,
    ),
  },
  'reserve',
);

const RATE_LIMIT_NODE = objectNode(
  'RateLimitConfig',
  'How often a client may call a route: `limit` with `window`, or `maxInFlight`, or all three.',
  {
    name: stringNode(
      'Name in RateLimit-Policy and /stats. Where there is a `limit` as well, `-inFlight` is ' +
        'added to it for `maxInFlight`.',
      {
        'x-absent': 'the name of the route, from the second limit on with a number',
        ...ROUTE_NAME_TEXT,
      },
    ),
    limit: integerNode('Requests a window.', LIMIT_RANGE),
    window: durationNode('Length of the window.', ['100ms', '400d']),
    algorithm: stringNode(
      '`slidingWindow`: never more than `limit` in any window. `tokenBucket`: `limit` a window ' +
        'on the average, with bursts. `fixedWindow`: `limit` in a window that begins with its ' +
        'first request, and so up to twice that around its end.',
      {
        default: DEFAULTS.rateLimit.algorithm,
        enum: ['slidingWindow', 'tokenBucket', 'fixedWindow'],
      },
    ),
    burst: integerNode('Requests that may come at once; for `tokenBucket` only.', LIMIT_RANGE, {
      'x-absent': 'the same as `limit`',
    }),
    key: oneOrListNode(
      'Who shares one limit: `clientIp` (IPv6 by /64), `consumer` (the authenticated caller; ' +
        'needs `authenticate`), `route` (everybody together), `header:NAME`, or a list of ' +
        'these, which counts each combination by itself. On a route with `authenticate` a limit ' +
        'without `consumer` is decided before anybody finds out who calls: it counts refused ' +
        'credentials too. Anonymous callers count by address in place of `consumer`.',
      textNode(LIMITER_KEY_TEXT),
      { default: DEFAULTS.rateLimit.key, minItems: 1, maxItems: 4, uniqueItems: true },
    ),
    callers: stringNode(
      'Whose requests it counts: `all`, only those of `identified` callers, or only those of ' +
        '`anonymous` ones, whom a route with `anonymous: allow` lets in. Who is whom is known ' +
        'after authentication only: refused credentials count by limits for `all`.',
      { default: DEFAULTS.rateLimit.callers, enum: ['all', 'identified', 'anonymous'] },
    ),
    cost: integerOrObjectNode(
      'What one request takes of the limit, at most `limit` or `burst`; or where its reply tells ' +
        'that, for the algorithm `tokenBucket`, which is the default then.',
      LIMIT_RANGE,
      TOLD_COST_NODE,
      { default: DEFAULTS.rateLimit.cost },
    ),
    maxInFlight: integerNode(
      'Requests of one key that may be in flight at once.',
      IN_FLIGHT_RANGE,
      {
        'x-absent': 'no such limit',
      },
    ),
    mode: stringNode(
      '`enforce` refuses what is over the limit. `shadow` only counts what it would have ' +
        'refused. `off` does nothing.',
      { default: DEFAULTS.rateLimit.mode, enum: ['enforce', 'shadow', 'off'] },
    ),
    scope: stringNode(
      '`local`: each gateway counts for itself. `cluster`: all gateways that share the `store` ' +
        'count together, and never admit more than the limit.',
      { default: DEFAULTS.rateLimit.scope, enum: ['local', 'cluster'] },
    ),
    onStoreLost: stringNode(
      'What a limit with `scope: cluster` does while the store does not answer. `share`: each ' +
        'gateway has an equal part of the limit. `closed`: nobody is admitted. `open`: everybody ' +
        'is. `wait`: each request waits up to `store.timeout` for the store to come back, and is ' +
        'refused then.',
      {
        default: DEFAULTS.rateLimit.onStoreLost,
        enum: ['share', 'closed', 'open', 'wait'],
      },
    ),
  },
);

const OPENAPI_NODE = textOrObjectNode(
  'An OpenAPI 3.0, 3.1 or 3.2 document: the name of its file (JSON or YAML; relative to this ' +
    'one), or an object that says more. The route becomes one route for each operation below ' +
    '`match.path`, which ends in `/*`, with the validation that the document asks for. All else ' +
    'here holds for each of them. `sluice validate` says what of an operation is not judged.',
  objectNode(
    'OpenapiConfig',
    'A document, and what becomes of what Sluice cannot judge.',
    {
      file: stringNode('Name of its file.', { minLength: 1, maxLength: 1024 }),
      onUnsupported: stringNode(
        '`warn` serves the rest and tells what is not judged, or has no route; `refuse` makes ' +
          'that a mistake in the configuration.',
        { default: 'warn', enum: ['warn', 'refuse'] },
      ),
    },
    'file',
  ),
  { minLength: 1, maxLength: 1024 },
);

const EVENT_STREAMS_NODE = objectNode(
  'EventStreamsConfig',
  'Replies of type `text/event-stream` without a length. Each event goes on at once, whatever is ' +
    'said here.',
  {
    idle: durationNode(
      'Longest silence of a target. The stream ends behind it, and the target is not blamed.',
      ['1s', '7d'],
      { 'x-absent': '`timeouts.idle` of the upstream' },
    ),
    heartbeat: durationNode(
      'Silence after which the client gets a comment (`:`), between two events only. It keeps ' +
        'proxies from closing the connection, and finds out clients that are gone.',
      ['1s', '1h'],
      { 'x-absent': 'no comments' },
    ),
    closeAtTokenExpiry: booleanNode(
      'Whether a stream ends when the token that opened it does (`exp`, with `clockSkew`).',
      DEFAULTS.sse.closeAtTokenExpiry,
    ),
  },
);

const SIDES_NODE = listNode(
  'Upstreams that share the requests of the route, by weight. A caller stays on his side: see ' +
    '`split`.',
  objectNode(
    'SplitSideConfig',
    'One of them.',
    {
      name: refined(USED_NAME, { description: 'Name of an upstream.' }),
      weight: integerNode('Its part of the sum of all weights. 0: it gets none.', [0, 1000], {
        default: DEFAULTS.split.weight,
      }),
    },
    'name',
  ),
  { minItems: 1, maxItems: 16 },
);

const SPLIT_KEY_TEXT = typedShape<
  'clientIp' | 'consumer' | 'request' | `header:${string}` | `cookie:${string}`
>(
  `^(clientIp|consumer|request|(header|cookie):${TOKEN_PATTERN})$`,
  'one of "clientIp", "consumer", "request", "header:NAME", "cookie:NAME"',
  "SplitKey = 'clientIp' | 'consumer' | 'request' | `header:${string}` | `cookie:${string}`",
);

const SPLIT_REFUSE_NODE = objectNode(
  'SplitRefuseConfig',
  'A part of the requests that no upstream gets. Not beside `ramp` and `guard`.',
  {
    weight: integerNode('Its part of the sum of all weights, this one included.', [1, 1000]),
    status: integerNode('Status of the reply.', [400, 599], {
      default: DEFAULTS.split.refuse.status,
    }),
  },
  'weight',
);

const RAMP_NODE = objectNode(
  'SplitRampConfig',
  'The share of the second of two upstreams grows by time, and `weight` says nothing. It begins ' +
    'when the gateway takes this configuration. A reload that changes neither sides nor these ' +
    'three goes on where it was. Another start of the gateway begins anew.',
  {
    from: numberNode('Percent of the requests at the beginning.', [0, 100], {
      default: DEFAULTS.split.ramp.from,
    }),
    to: numberNode('Percent at the end, at least `from`.', [0, 100], {
      default: DEFAULTS.split.ramp.to,
    }),
    over: durationNode('How long it takes from one to the other.', ['1s', '30d']),
  },
  'over',
);

const GUARD_NODE = objectNode(
  'SplitGuardConfig',
  'Takes the second of two upstreams back by itself, to no share at all, when it is worse than ' +
    'the first by more than chance explains. It stays so until an operator resumes it ' +
    '(`POST /split/ROUTE`), or `ramp` changes. What counts as an error: a reply with 5xx, and a ' +
    'target that does not answer; not what the gateway itself refuses, nor clients that leave. ' +
    'Requests whose client chose the side do not count.',
  {
    errors: refined(textNode(FACTOR_TEXT), {
      description: "How many times the first side's share of errors it may have.",
      'x-absent': 'errors are not judged',
    }),
    p99: refined(textNode(FACTOR_TEXT), {
      description:
        "How many times the first side's latency it may have, as 99 % of the requests see it: " +
        'from the try that answers being sent to the head of its reply.',
      'x-absent': 'latency is not judged',
    }),
    minRequests: integerNode(
      'Requests that both sides must have had before they are compared.',
      [20, 1_000_000],
      { default: DEFAULTS.split.guard.minRequests },
    ),
  },
);

const SPLIT_NODE = objectNode(
  'SplitConfig',
  'Who is on which side of `upstreams`. All workers, and all gateways, put the same caller on ' +
    'the same side. Of two sides, the one that gets more weight keeps those that it has.',
  {
    key: refined(textNode(SPLIT_KEY_TEXT), {
      description:
        'What decides: whoever has the same one is on the same side. Without a value the address ' +
        'decides. `request`: each request by itself, by its id; no caller stays on a side.',
      'x-absent': '`consumer` on routes with `authenticate`, else `clientIp`',
    }),
    header: refined(textNode(HEADER_NAME_TEXT), {
      description: 'Field by whose value, the name of one of the upstreams, a client chooses.',
      'x-absent': 'no client chooses',
    }),
    cookie: refined(textNode(HEADER_NAME_TEXT), {
      description: 'Cookie by whose value a client chooses.',
      'x-meaning': 'the name of a cookie',
      'x-absent': 'no client chooses',
    }),
    refuse: SPLIT_REFUSE_NODE,
    ramp: RAMP_NODE,
    guard: GUARD_NODE,
  },
);

const FAULTS_NODE = objectNode(
  'FaultsConfig',
  'Makes requests slow, or fail, on purpose: to see what clients make of that. Refused unless ' +
    '`hardening.faults` is `allow`. It comes before limits and authentication, and no target is ' +
    'asked for by then.',
  {
    delay: durationNode('How long a request waits before it goes on.', ['1ms', '60s'], {
      'x-absent': 'no delay',
    }),
    abort: integerNode(
      'Status that the client gets; a call of gRPC gets the code that stands for it.',
      [400, 599],
      { 'x-absent': 'the request goes on' },
    ),
    percent: numberNode('Part of the requests that are meant.', [0, 100], {
      default: DEFAULTS.faults.percent,
    }),
    when: objectNode(
      'FaultConditionConfig',
      'Which requests are meant; without it all are.',
      {
        header: refined(textNode(HEADER_NAME_TEXT), {
          description: 'Field that the request must have.',
        }),
        value: stringNode('Value that it must have.', {
          minLength: 1,
          maxLength: 1024,
          'x-absent': 'any value',
        }),
      },
      'header',
    ),
  },
);

const MIRROR_NODE = objectNode(
  'MirrorConfig',
  'Requests are copied to another upstream, whose replies go nowhere: no client waits for it, ' +
    'and whatever becomes of a copy changes nothing for the request. WebSockets are not copied, ' +
    'nor bodies that stream (longer than 64 KiB, or of unknown length).',
  {
    upstream: refined(USED_NAME, { description: 'Name of the upstream that gets the copies.' }),
    percent: numberNode('Part of the requests that are copied.', [0, 100], {
      default: DEFAULTS.mirror.percent,
    }),
    maxInFlight: integerNode(
      'Copies that may be in flight; what comes beyond is not copied, and counted. Each worker ' +
        'has its part of it, one at least.',
      [1, 100_000],
      { default: DEFAULTS.mirror.maxInFlight },
    ),
    bodyBytes: sizeNode('Longest body of a request that is copied.', ['0', '64KiB'], {
      default: DEFAULTS.mirror.bodyBytes,
    }),
    compare: listNode(
      "What of the copy's reply is compared with the one that the client's target has given, " +
        'as both came from their targets. Replies above 1 MiB are not compared.',
      stringNode('A part of the reply.', { enum: ['status', 'fields', 'body'] }),
      { 'x-absent': 'nothing', minItems: 1, maxItems: 3, uniqueItems: true },
    ),
    ignore: listNode(
      'Fields of replies that may differ, besides ' +
        `${DEFAULTS.mirror.ignore.map((name) => `\`${name}\``).join(', ')}.`,
      textNode(HEADER_NAME_TEXT),
      { minItems: 1, maxItems: 64, uniqueItems: true },
    ),
    credentials: booleanNode(
      'Whether copies have `Authorization` and cookies. What authenticators say about the caller ' +
        'goes along in any case.',
      DEFAULTS.mirror.credentials,
    ),
  },
  'upstream',
);

/** What a route has besides its filters. */
export const ROUTE_PROPERTIES = {
  name: stringNode('Name in logs, counters and RateLimit-Policy. Unique.', ROUTE_NAME_TEXT),
  match: MATCH_NODE,
  openapi: OPENAPI_NODE,
  upstream: refined(USED_NAME, {
    description:
      'Name of an upstream. In its place: `upstreams`, `respond`, `redirect`, `tokenService` or ' +
      '`login`.',
  }),
  upstreams: SIDES_NODE,
  split: SPLIT_NODE,
  fallback: ROUTE_FALLBACK_NODE,
  mirror: MIRROR_NODE,
  logBodies: LOG_BODIES_NODE,
  faults: FAULTS_NODE,
  paths: ROUTE_PATHS_NODE,
  preserveHost: ROUTE_HOST_NODE,
  timeout: durationNode(
    'From the request being sent until the head of the reply, over all tries and the waits ' +
      'between them.',
    ['1ms', '1h'],
    { 'x-absent': 'no such limit' },
  ),
  priority: stringNode(
    'Which routes are shed first. When routes differ in it, requests of `low` may use 70 % of ' +
      'every limit on concurrency, those of `default` 90 %, and those of `high` all.',
    { 'x-typescript': 'RoutePriority', default: 'default', enum: ['low', 'default', 'high'] },
  ),
  authenticate: listNode('Names of authenticators; one that accepts is enough.', USED_NAME, {
    'x-absent': 'the route is public',
    minItems: 1,
    maxItems: 16,
    uniqueItems: true,
  }),
  anonymous: stringNode(
    '`allow` lets requests without credentials pass `authenticate`: their caller is nobody, and ' +
      'the upstream gets no field that says who calls. Wrong credentials are refused all the same.',
    { default: DEFAULTS.anonymous, enum: ['refuse', 'allow'] },
  ),
  tokenService: TOKEN_ENDPOINT_NODE,
  login: LOGIN_NODE,
  authorize: AUTHORIZE_NODE,
  rateLimit: oneOrListNode(
    'How often a client may call: one limit, or a list of limits, all of which must have room.',
    RATE_LIMIT_NODE,
    { minItems: 1, maxItems: 4 },
  ),
  sse: EVENT_STREAMS_NODE,
  websocket: WEBSOCKET_NODE,
  cache: ROUTE_CACHE_NODE,
  plugins: ROUTE_PLUGINS_NODE,
  errors: ERRORS_NODE,
  upstreamErrors: UPSTREAM_ERRORS_NODE,
  onCoordinatorLost: stringNode(
    'What happens while the thread that decides upon limits and targets is being restarted: ' +
      '`wait` waits up to 100 ms and then answers 503, `open` lets requests through without a ' +
      'limit, `closed` answers 503 at once. A route without limits goes on after the wait.',
    { default: DEFAULTS.onCoordinatorLost, enum: ['wait', 'open', 'closed'] },
  ),
};
