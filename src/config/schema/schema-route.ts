/**
 * The JSON Schema of one route.
 *
 * Thread: any (pure). A part of schema.ts, which puts it into the whole.
 */
import { DEFAULTS } from '../defaults.js';
import type { MatchConfig, RateLimitConfig, RouteConfig } from '../gateway-config.js';
import { AUTHORIZE_NODE } from './schema-authenticators.js';
import {
  CORS_NODE,
  DEPRECATION_NODE,
  GUARDS_NODE,
  IP_FILTER_NODE,
  REDIRECT_NODE,
  RESPOND_NODE,
  REWRITE_NODE,
  REWRITE_REPLY_NODE,
  SECURITY_HEADERS_NODE,
  VALIDATION_NODE,
} from './schema-filters.js';
import {
  durationNode,
  integerNode,
  LIMITER_KEY_PATTERN,
  listNode,
  objectNode,
  PATH_LENGTH_MAX,
  ROUTE_NAME_PATTERN,
  type SchemaNode,
  stringNode,
  VERSION_PATTERN,
} from './schema-node.js';
import { PRIORITY_NODE } from './schema-overload.js';

const LIMIT_RANGE = [1, 1_000_000] as const;

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
    version: stringNode('Version of the API that a request must ask for; see versioning.', {
      pattern: VERSION_PATTERN,
    }),
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

/** One entry of `routes`. */
export const ROUTE_NODE: SchemaNode = objectNode<RouteConfig>(
  'Which requests go to which upstream, and what happens on the way.',
  {
    name: stringNode('Name in logs, counters and RateLimit-Policy. Unique.', {
      pattern: ROUTE_NAME_PATTERN,
    }),
    match: MATCH_NODE,
    openapi: stringNode('File with an OpenAPI 3.0 or 3.1 document: a route for each operation.', {
      minLength: 1,
      maxLength: 1024,
    }),
    upstream: stringNode('Name of an upstream. Not with respond, redirect or tokenService.', {
      minLength: 1,
      maxLength: 64,
    }),
    respond: RESPOND_NODE,
    redirect: REDIRECT_NODE,
    timeout: durationNode(
      'From the request being sent until the head of the reply, over all tries. Absent: none.',
      ['1ms', '1h'],
    ),
    priority: PRIORITY_NODE,
    authenticate: listNode(
      'Names of authenticators; one that accepts is enough. Absent: the route is public.',
      { type: 'string', minLength: 1, maxLength: 64 },
      { minItems: 1, maxItems: 16, uniqueItems: true },
    ),
    tokenService: stringNode(
      'What the token service does here, in place of an upstream: issue (POST, needs ' +
        'authenticate), refresh (POST), revoke (POST), or keys (GET).',
      { enum: ['issue', 'refresh', 'revoke', 'keys'] },
    ),
    authorize: AUTHORIZE_NODE,
    rateLimit: RATE_LIMITS_NODE,
    onCoordinatorLost: stringNode(
      'While no decision comes: wait up to 100 ms and then 503, let through without a limit ' +
        '(open), or 503 at once (closed).',
      { default: DEFAULTS.onCoordinatorLost, enum: ['wait', 'open', 'closed'] },
    ),
    ipFilter: IP_FILTER_NODE,
    cors: CORS_NODE,
    securityHeaders: SECURITY_HEADERS_NODE,
    guards: GUARDS_NODE,
    deprecation: DEPRECATION_NODE,
    validation: VALIDATION_NODE,
    rewrite: REWRITE_NODE,
    rewriteReply: REWRITE_REPLY_NODE,
  },
  'name',
  'match',
);
