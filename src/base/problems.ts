/**
 * Every problem that the gateway answers by itself: code, status and title in one table.
 *
 * Thread: any (pure). Codes are never used again for something else. `retry` tells whether the
 * same request may be sent once more: `safe` = nothing can have been processed.
 */

export type ErrorSource = 'downstream' | 'upstream' | 'internal';

/** The part of the gateway that refused, or that could not go on. */
export type GatewayPart =
  | 'guard'
  | 'overload'
  | 'worker'
  | 'routing'
  | 'ipFilter'
  | 'cors'
  | 'versioning'
  | 'validation'
  | 'rewrite'
  | 'authentication'
  | 'rateLimit'
  | 'circuitBreaker'
  | 'loadBalancing'
  | 'coordinator'
  | 'upstream';

export interface ProblemKind {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly source: ErrorSource;
  readonly part: GatewayPart;
  /** The error type of RFC 9209 (Proxy-Status), or empty where it has none. */
  readonly proxyError: string;
}

function problem(
  code: string,
  status: number,
  title: string,
  rest: { source: ErrorSource; part: GatewayPart; proxyError?: string },
): ProblemKind {
  const { source, part, proxyError = '' } = rest;
  return { code, status, title, source, part, proxyError };
}

const DOWNSTREAM = {
  source: 'downstream',
  part: 'guard',
  proxyError: 'http_request_error',
} as const;
const DENIED = { source: 'downstream', proxyError: 'http_request_denied' } as const;
const INTERNAL = { source: 'internal', proxyError: 'proxy_internal_error' } as const;

/** THE list of problems. `type` in a reply is `about:blank` plus this code. */
export const PROBLEMS = {
  badMethod: problem('GW_METHOD_INVALID', 400, 'Malformed request', DOWNSTREAM),
  unknownMethod: problem('GW_METHOD_UNKNOWN', 501, 'Method not implemented', DOWNSTREAM),
  badTarget: problem('GW_TARGET_INVALID', 400, 'Malformed request', DOWNSTREAM),
  badHost: problem('GW_HOST_INVALID', 400, 'Malformed request', DOWNSTREAM),
  badField: problem('GW_FIELD_INVALID', 400, 'Malformed request', DOWNSTREAM),
  badLength: problem('GW_CONTENT_LENGTH_INVALID', 400, 'Malformed request', DOWNSTREAM),
  badFraming: problem('GW_FRAMING_AMBIGUOUS', 400, 'Malformed request', DOWNSTREAM),
  bodyNotAllowed: problem('GW_BODY_NOT_ALLOWED', 400, 'Malformed request', DOWNSTREAM),
  unknownCoding: problem('GW_TRANSFER_CODING_UNKNOWN', 501, 'Unknown transfer coding', DOWNSTREAM),
  headTooLarge: problem('GW_HEAD_TOO_LARGE', 431, 'Request head too large', DOWNSTREAM),
  bodyTooLarge: problem('GW_BODY_TOO_LARGE', 413, 'Request body too large', DOWNSTREAM),
  requestTimeout: problem('GW_REQUEST_TIMEOUT', 408, 'Request too slow', DOWNSTREAM),
  overloaded: problem('GW_OVERLOADED', 503, 'Overloaded', {
    source: 'internal',
    part: 'overload',
    proxyError: 'connection_limit_reached',
  }),
  notReady: problem('GW_NOT_READY', 503, 'Not ready', { ...INTERNAL, part: 'overload' }),
  workerLost: problem('GW_WORKER_LOST', 502, 'Worker lost', { ...INTERNAL, part: 'worker' }),
  routeNotFound: problem('GW_ROUTE_NOT_FOUND', 404, 'Route not found', {
    source: 'downstream',
    part: 'routing',
    proxyError: 'destination_not_found',
  }),
  methodNotAllowed: problem('GW_METHOD_NOT_ALLOWED', 405, 'Method not allowed', {
    ...DENIED,
    part: 'routing',
  }),
  unauthorized: problem('GW_UNAUTHORIZED', 401, 'Unauthorized', {
    ...DENIED,
    part: 'authentication',
  }),
  grantRefused: problem('GW_GRANT_REFUSED', 400, 'Token request refused', {
    ...DENIED,
    part: 'authentication',
  }),
  forbidden: problem('GW_FORBIDDEN', 403, 'Forbidden', { ...DENIED, part: 'authentication' }),
  authenticationUnavailable: problem(
    'GW_AUTHENTICATION_UNAVAILABLE',
    503,
    'Authentication unavailable',
    { ...INTERNAL, part: 'authentication' },
  ),
  addressDenied: problem('GW_ADDRESS_DENIED', 403, 'Address not allowed', {
    ...DENIED,
    part: 'ipFilter',
  }),
  corsRefused: problem('GW_CORS_REFUSED', 403, 'Not allowed for this origin', {
    ...DENIED,
    part: 'cors',
  }),
  versionUnknown: problem('GW_VERSION_UNKNOWN', 400, 'Unknown API version', {
    ...DENIED,
    part: 'versioning',
  }),
  versionGone: problem('GW_VERSION_GONE', 410, 'API version no longer served', {
    ...DENIED,
    part: 'versioning',
  }),
  validationFailed: problem('GW_VALIDATION_FAILED', 400, 'Request not valid', {
    ...DOWNSTREAM,
    part: 'validation',
  }),
  unsupportedMediaType: problem('GW_MEDIA_TYPE', 415, 'Unsupported media type', {
    ...DOWNSTREAM,
    part: 'validation',
  }),
  rewriteFailed: problem('GW_REWRITE_FAILED', 400, 'Request cannot be forwarded', {
    ...DOWNSTREAM,
    part: 'rewrite',
  }),
  rateLimited: problem('GW_RATE_LIMITED', 429, 'Rate limit exceeded', {
    ...DENIED,
    part: 'rateLimit',
  }),
  circuitOpen: problem('GW_CIRCUIT_OPEN', 503, 'Circuit open', {
    source: 'upstream',
    part: 'circuitBreaker',
    proxyError: 'destination_unavailable',
  }),
  noHealthyTarget: problem('GW_NO_HEALTHY_TARGET', 503, 'No healthy backends', {
    source: 'upstream',
    part: 'loadBalancing',
    proxyError: 'destination_unavailable',
  }),
  coordinatorLost: problem('GW_COORDINATOR_UNAVAILABLE', 503, 'Overloaded', {
    ...INTERNAL,
    part: 'coordinator',
  }),
  connectFailed: problem('GW_UPSTREAM_CONNECT_FAILED', 502, 'Upstream unreachable', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'connection_refused',
  }),
  connectTimeout: problem('GW_UPSTREAM_CONNECT_TIMEOUT', 504, 'Upstream too slow', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'connection_timeout',
  }),
  dnsFailed: problem('GW_UPSTREAM_DNS_FAILED', 502, 'Upstream unreachable', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'dns_error',
  }),
  upstreamReset: problem('GW_UPSTREAM_RESET', 502, 'Upstream connection lost', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'connection_terminated',
  }),
  upstreamProtocol: problem('GW_UPSTREAM_PROTOCOL', 502, 'Upstream spoke nonsense', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_protocol_error',
  }),
  replyUnchangeable: problem('GW_UPSTREAM_BODY', 502, 'Upstream reply cannot be changed', {
    source: 'upstream',
    part: 'rewrite',
    proxyError: 'http_response_body_size',
  }),
  responseTimeout: problem('GW_UPSTREAM_TIMEOUT', 504, 'Upstream too slow', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_response_timeout',
  }),
  routeTimeout: problem('GW_ROUTE_TIMEOUT', 504, 'Upstream too slow', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_response_timeout',
  }),
  internal: problem('GW_INTERNAL', 500, 'Internal error', { ...INTERNAL, part: 'worker' }),
} as const;
