/**
 * The JSON Schema of one route.
 *
 * Thread: any (pure). A part of schema.ts, which puts it into the whole.
 */
import { DEFAULTS } from './defaults.js';
import type {
  MatchConfig,
  RateLimitConfig,
  RewriteConfig,
  RewriteHeadersConfig,
  RouteConfig,
} from './gateway-config.js';
import { AUTHORIZE_NODE } from './schema-authenticators.js';
import {
  durationNode,
  HEADER_NAME_PATTERN,
  HEADER_VALUE_PATTERN,
  integerNode,
  LIMITER_KEY_PATTERN,
  listNode,
  mapNode,
  objectNode,
  ROUTE_NAME_PATTERN,
  type SchemaNode,
  stringNode,
} from './schema-node.js';

/** Longest path pattern; request targets themselves are bounded by limits.headerBytes. */
const PATH_LENGTH_MAX = 1024;

const LIMIT_RANGE = [1, 1_000_000] as const;

const HEADER_NAME: SchemaNode = { type: 'string', pattern: HEADER_NAME_PATTERN };

const MATCH_NODE = objectNode<MatchConfig>(
  'Which requests the route takes.',
  {
    path: stringNode('/exact, /with/:param or /prefix/*', {
      minLength: 1,
      maxLength: PATH_LENGTH_MAX,
    }),
    methods: listNode(
      'HTTP methods. Absent: every method.',
      { type: 'string', enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] },
      { minItems: 1, uniqueItems: true },
    ),
  },
  'path',
);

const LIMITER_KEY: SchemaNode = { type: 'string', pattern: LIMITER_KEY_PATTERN };

const RATE_LIMIT_NODE = objectNode<RateLimitConfig>(
  'One limit: limit with window, or maxInFlight, or all three.',
  {
    name: stringNode("Name in RateLimit-Policy and /stats. Absent: the route's.", {
      pattern: ROUTE_NAME_PATTERN,
    }),
    limit: integerNode('Requests a window.', LIMIT_RANGE),
    window: durationNode('Length of the window.', ['100ms', '24h']),
    algorithm: stringNode(
      'slidingWindow: never more than limit in any window. tokenBucket: limit a window on the ' +
        'average, with bursts. fixedWindow: limit in a window that begins with its first request.',
      {
        default: DEFAULTS.rateLimit.algorithm,
        enum: ['slidingWindow', 'tokenBucket', 'fixedWindow'],
      },
    ),
    burst: integerNode(
      'Requests that may come at once; tokenBucket only. Absent: limit.',
      LIMIT_RANGE,
    ),
    key: {
      description:
        'Who shares one limit: clientIp, consumer (needs authenticate), route, header:NAME, or a ' +
        'list of these, which counts each combination by itself.',
      type: ['string', 'array'],
      default: DEFAULTS.rateLimit.key,
      pattern: LIMITER_KEY_PATTERN,
      items: LIMITER_KEY,
      minItems: 1,
      maxItems: 4,
      uniqueItems: true,
    },
    cost: integerNode('What one request takes of the limit.', LIMIT_RANGE, {
      default: DEFAULTS.rateLimit.cost,
    }),
    maxInFlight: integerNode(
      'Requests of one key that may be in flight at once. Absent: no such limit.',
      LIMIT_RANGE,
    ),
    mode: stringNode(
      'enforce refuses, shadow only counts what it would have refused, off does nothing.',
      { default: DEFAULTS.rateLimit.mode, enum: ['enforce', 'shadow', 'off'] },
    ),
  },
);

/** One limit, or a list of them. */
const RATE_LIMITS_NODE: SchemaNode = {
  ...RATE_LIMIT_NODE,
  type: ['object', 'array'],
  description: 'How often a client may call: one limit, or a list, all of which must have room.',
  items: RATE_LIMIT_NODE,
  minItems: 1,
  maxItems: 4,
};

const REWRITE_NODE = objectNode<RewriteConfig>(
  'What changes in the request on its way to the upstream.',
  {
    stripPrefix: stringNode('Start of the path to cut off: whole segments of match.path.', {
      minLength: 1,
      maxLength: PATH_LENGTH_MAX,
    }),
    headers: objectNode<RewriteHeadersConfig>('Header fields to set and to remove.', {
      set: mapNode(
        "Fields to set, replacing the client's.",
        { type: 'string', maxLength: 4096, pattern: HEADER_VALUE_PATTERN, writeOnly: true },
        { type: 'object', propertyNames: HEADER_NAME, maxProperties: 64 },
      ),
      remove: listNode('Names of fields to remove.', HEADER_NAME, {
        maxItems: 64,
        uniqueItems: true,
      }),
    }),
  },
);

/** One entry of `routes`. */
export const ROUTE_NODE: SchemaNode = objectNode<RouteConfig>(
  'Which requests go to which upstream, and what happens on the way.',
  {
    name: stringNode('Name in logs, counters and RateLimit-Policy. Unique.', {
      pattern: ROUTE_NAME_PATTERN,
    }),
    match: MATCH_NODE,
    upstream: stringNode('Name of an upstream.', { minLength: 1, maxLength: 64 }),
    timeout: durationNode(
      'From the request being sent until the head of the reply, over all tries. Absent: none.',
      ['1ms', '1h'],
    ),
    authenticate: listNode(
      'Names of authenticators; one that accepts is enough. Absent: the route is public.',
      { type: 'string', minLength: 1, maxLength: 64 },
      { minItems: 1, maxItems: 16, uniqueItems: true },
    ),
    authorize: AUTHORIZE_NODE,
    rateLimit: RATE_LIMITS_NODE,
    onCoordinatorLost: stringNode(
      'While no decision comes: wait up to 100 ms and then 503, let through without a limit ' +
        '(open), or 503 at once (closed).',
      { default: DEFAULTS.onCoordinatorLost, enum: ['wait', 'open', 'closed'] },
    ),
    rewrite: REWRITE_NODE,
  },
  'name',
  'match',
  'upstream',
);
