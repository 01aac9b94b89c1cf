/**
 * Every problem that the gateway answers by itself: code, status, title and occasion in one table.
 *
 * Thread: any (pure). A code never gets another meaning. `npm run docs` makes docs/codes.md from
 * the table.
 */

export type ErrorSource = 'downstream' | 'upstream' | 'internal';

/** The part of the gateway that refused the request or could not go on. */
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
  | 'cache'
  | 'plugin'
  | 'upstream';

export interface ProblemKind {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly source: ErrorSource;
  readonly part: GatewayPart;
  /** The error type of RFC 9209 (Proxy-Status); empty: the RFC has none for this problem. */
  readonly proxyError: string;
  /** When a client gets it: one sentence, for docs/codes.md. */
  readonly when: string;
}

function problem(
  code: string,
  status: number,
  title: string,
  rest: { source: ErrorSource; part: GatewayPart; proxyError?: string; when: string },
): ProblemKind {
  const { source, part, proxyError = '', when } = rest;
  return { code, status, title, source, part, proxyError, when };
}

const DOWNSTREAM = {
  source: 'downstream',
  part: 'guard',
  proxyError: 'http_request_error',
} as const;
const DENIED = { source: 'downstream', proxyError: 'http_request_denied' } as const;
const BAD_TLS = 'TLS to the target failed';
const BAD_CERTIFICATE = {
  source: 'upstream',
  part: 'upstream',
  proxyError: 'tls_certificate_error',
} as const;
const INTERNAL = { source: 'internal', proxyError: 'proxy_internal_error' } as const;

/**
 * The only list of problems. In a reply `type` is `about:blank`, and `code` tells the problems
 * apart.
 */
export const PROBLEMS = {
  badMethod: problem('GW_METHOD_INVALID', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'The method is not an HTTP token.',
  }),
  unknownMethod: problem('GW_METHOD_UNKNOWN', 501, 'Method not implemented', {
    ...DOWNSTREAM,
    when: 'The gateway does not know the method.',
  }),
  badRequestLine: problem('GW_REQUEST_LINE_INVALID', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'The request line is not a method, a target and a version with one space between them.',
  }),
  badVersion: problem('GW_HTTP_VERSION', 505, 'HTTP version not supported', {
    ...DOWNSTREAM,
    when: 'The request is in a version of HTTP other than 1.0 and 1.1.',
  }),
  badTarget: problem('GW_TARGET_INVALID', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'The request target is malformed, or two parsers could read it in different ways.',
  }),
  badHost: problem('GW_HOST_INVALID', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'The Host field is missing or malformed, or the request has several.',
  }),
  malformedStream: problem('GW_STREAM_MALFORMED', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'Never: a malformed request of HTTP/2, whose stream is reset; its record has the code.',
  }),
  misdirected: problem('GW_HOST_MISDIRECTED', 421, 'Misdirected request', {
    ...DOWNSTREAM,
    when: 'The host has another certificate than the HTTP/2 connection that the request came on.',
  }),
  httpsRequired: problem('GW_HTTPS_REQUIRED', 308, 'Permanent Redirect', {
    ...DOWNSTREAM,
    when: 'The listener sends every request to https (`listen.redirectToHttps`).',
  }),
  badField: problem('GW_FIELD_INVALID', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'A header field contains characters that no field may have.',
  }),
  badLength: problem('GW_CONTENT_LENGTH_INVALID', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'Content-Length is not a number, or is larger than any real body.',
  }),
  badFraming: problem('GW_FRAMING_AMBIGUOUS', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'Two lengths, a length beside Transfer-Encoding, or codings in a wrong order.',
  }),
  badChunk: problem('GW_CHUNK_INVALID', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'A chunk, its extension or a trailer field of a chunked body is malformed or too long.',
  }),
  expectationFailed: problem('GW_EXPECTATION_UNKNOWN', 417, 'Expectation failed', {
    ...DOWNSTREAM,
    when: 'Expect asks for something other than 100-continue.',
  }),
  bodyNotAllowed: problem('GW_BODY_NOT_ALLOWED', 400, 'Malformed request', {
    ...DOWNSTREAM,
    when: 'A TRACE request has a body, or a GET or HEAD request where limits.bodyOnGet is false.',
  }),
  lengthRequired: problem('GW_LENGTH_REQUIRED', 411, 'Length required', {
    ...DOWNSTREAM,
    when: 'A chunked request has a body, and listen.chunkedRequests does not allow it.',
  }),
  upgradeUnsupported: problem('GW_UPGRADE_UNSUPPORTED', 501, 'WebSocket is not supported', {
    ...DOWNSTREAM,
    when: 'The client asks for WebSocket at a listener whose engine (`uws`) does not speak it.',
  }),
  badHandshake: problem('GW_WEBSOCKET_INVALID', 400, 'Not a WebSocket handshake', {
    ...DOWNSTREAM,
    when:
      'The client asks for WebSocket, but not as RFC 6455 4.1 has it: with GET and no body, with ' +
      'Connection: Upgrade, with websocket as the only protocol, and with a key of 16 bytes.',
  }),
  handshakeVersion: problem('GW_WEBSOCKET_VERSION', 426, 'Upgrade required', {
    ...DOWNSTREAM,
    when: 'The client asks for a version of WebSocket other than 13.',
  }),
  webSocketDenied: problem('GW_WEBSOCKET_DENIED', 403, 'WebSocket not allowed', {
    ...DENIED,
    part: 'routing',
    when: 'The route takes no WebSocket, or none from this page, or none of these subprotocols.',
  }),
  unknownCoding: problem('GW_TRANSFER_CODING_UNKNOWN', 501, 'Unknown transfer coding', {
    ...DOWNSTREAM,
    when: 'The transfer coding is not chunked.',
  }),
  targetTooLong: problem('GW_TARGET_TOO_LONG', 414, 'Request target too long', {
    ...DOWNSTREAM,
    when: 'The target of the request (path and query) alone is larger than limits.headerBytes.',
  }),
  headTooLarge: problem('GW_HEAD_TOO_LARGE', 431, 'Request head too large', {
    ...DOWNSTREAM,
    when: 'The request head is larger than limits.headerBytes or guards of the route allow.',
  }),
  grpcMessageTooLarge: problem('GW_GRPC_MESSAGE_TOO_LARGE', 413, 'Message too large', {
    ...DOWNSTREAM,
    when: 'A message of a gRPC call is longer than `grpc` of the route allows.',
  }),
  bodyTooLarge: problem('GW_BODY_TOO_LARGE', 413, 'Request body too large', {
    ...DOWNSTREAM,
    when: 'The request body is larger than limits.bodyBytes or guards of the route allow.',
  }),
  requestTimeout: problem('GW_REQUEST_TIMEOUT', 408, 'Request too slow', {
    ...DOWNSTREAM,
    when: 'The head or the body of the request did not arrive in time.',
  }),
  pluginFailed: problem('GW_PLUGIN_FAILED', 500, 'Plugin failed', {
    ...INTERNAL,
    part: 'plugin',
    when: 'A plugin of the route failed or took too long, and its onFailure says refuse.',
  }),
  pluginOut: problem('GW_PLUGIN_OUT', 503, 'Plugin put out', {
    ...INTERNAL,
    part: 'plugin',
    when: 'A plugin of the route was put out after its failures, and its onFailure says refuse.',
  }),
  notCached: problem('GW_NOT_CACHED', 504, 'Not cached', {
    source: 'downstream',
    part: 'cache',
    when: 'The request wants a stored reply only (only-if-cached), and none answers it.',
  }),
  overloaded: problem('GW_OVERLOADED', 503, 'Overloaded', {
    source: 'internal',
    part: 'overload',
    proxyError: 'connection_limit_reached',
    when: 'A bound on requests in flight is reached, or requests wait for a worker too long.',
  }),
  notReady: problem('GW_NOT_READY', 503, 'Not ready', {
    ...INTERNAL,
    part: 'overload',
    when: 'No worker serves.',
  }),
  workerLost: problem('GW_WORKER_LOST', 502, 'Worker lost', {
    ...INTERNAL,
    part: 'worker',
    when: 'The worker ended while it had the request, and the request could not run again.',
  }),
  looping: problem('GW_LOOP', 508, 'Loop detected', {
    source: 'downstream',
    part: 'routing',
    proxyError: 'proxy_loop_detected',
    when: 'The request has come back from a target more often than limits.passes allows.',
  }),
  routeNotFound: problem('GW_ROUTE_NOT_FOUND', 404, 'Route not found', {
    source: 'downstream',
    part: 'routing',
    proxyError: 'destination_not_found',
    when: 'No route takes the path.',
  }),
  methodNotAllowed: problem('GW_METHOD_NOT_ALLOWED', 405, 'Method not allowed', {
    ...DENIED,
    part: 'routing',
    when: 'Routes take the path, but none takes the method; Allow lists what they take.',
  }),
  unauthorized: problem('GW_UNAUTHORIZED', 401, 'Unauthorized', {
    ...DENIED,
    part: 'authentication',
    when: 'The request has no credentials, or bad ones; detail says which.',
  }),
  grantRefused: problem('GW_GRANT_REFUSED', 400, 'Token request refused', {
    ...DENIED,
    part: 'authentication',
    when: 'The token service does not give a token for this request.',
  }),
  loginRefused: problem('GW_LOGIN_REFUSED', 400, 'Login failed', {
    ...DENIED,
    part: 'authentication',
    when: 'A login in the browser was not begun there, or its provider does not confirm it.',
  }),
  forbidden: problem('GW_FORBIDDEN', 403, 'Forbidden', {
    ...DENIED,
    part: 'authentication',
    when: 'The caller is known, but may not do this.',
  }),
  authenticationUnavailable: problem(
    'GW_AUTHENTICATION_UNAVAILABLE',
    503,
    'Authentication unavailable',
    {
      ...INTERNAL,
      part: 'authentication',
      when: 'The service that must be asked about the caller does not answer.',
    },
  ),
  tokenServiceUnavailable: problem(
    'GW_TOKEN_SERVICE_UNAVAILABLE',
    503,
    'Token service unavailable',
    {
      ...INTERNAL,
      part: 'authentication',
      when: 'The token service of the gateway does not answer in time.',
    },
  ),
  addressDenied: problem('GW_ADDRESS_DENIED', 403, 'Address not allowed', {
    ...DENIED,
    part: 'ipFilter',
    when: 'An ipFilter refuses the client address.',
  }),
  corsRefused: problem('GW_CORS_REFUSED', 403, 'Not allowed for this origin', {
    ...DENIED,
    part: 'cors',
    when: 'The cors rules do not allow the origin, the method or a header field.',
  }),
  versionUnknown: problem('GW_VERSION_UNKNOWN', 400, 'Unknown API version', {
    ...DENIED,
    part: 'versioning',
    when: 'No route has the version that the request asks for.',
  }),
  versionGone: problem('GW_VERSION_GONE', 410, 'API version no longer served', {
    ...DENIED,
    part: 'versioning',
    when: 'The version is past its sunset.',
  }),
  validationFailed: problem('GW_VALIDATION_FAILED', 400, 'Request not valid', {
    ...DOWNSTREAM,
    part: 'validation',
    when: 'The request does not match its schemas; violations say where.',
  }),
  unsupportedMediaType: problem('GW_MEDIA_TYPE', 415, 'Unsupported media type', {
    ...DOWNSTREAM,
    part: 'validation',
    when: 'The route does not take bodies of this media type.',
  }),
  rewriteFailed: problem('GW_REWRITE_FAILED', 400, 'Request cannot be forwarded', {
    ...DOWNSTREAM,
    part: 'rewrite',
    when: 'A rewrite would make a request that is not valid.',
  }),
  rateLimited: problem('GW_RATE_LIMITED', 429, 'Rate limit exceeded', {
    ...DENIED,
    part: 'rateLimit',
    when: 'A limit is used up; Retry-After says when there is room again.',
  }),
  circuitOpen: problem('GW_CIRCUIT_OPEN', 503, 'Circuit open', {
    source: 'upstream',
    part: 'circuitBreaker',
    proxyError: 'destination_unavailable',
    when: 'The circuit breakers of all targets that could serve are open.',
  }),
  noHealthyTarget: problem('GW_NO_HEALTHY_TARGET', 503, 'No healthy backends', {
    source: 'upstream',
    part: 'loadBalancing',
    proxyError: 'destination_unavailable',
    when: 'No target is available.',
  }),
  coordinatorLost: problem('GW_COORDINATOR_UNAVAILABLE', 503, 'Overloaded', {
    ...INTERNAL,
    part: 'coordinator',
    when: 'No decision came within 100 ms, and the route does not go on without one.',
  }),
  connectFailed: problem('GW_UPSTREAM_CONNECT_FAILED', 502, 'Upstream unreachable', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'connection_refused',
    when: 'The target refused the connection.',
  }),
  connectTimeout: problem('GW_UPSTREAM_CONNECT_TIMEOUT', 504, 'Upstream too slow', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'connection_timeout',
    when: 'No connection was made within timeouts.connect.',
  }),
  dnsFailed: problem('GW_UPSTREAM_DNS_FAILED', 502, 'Upstream unreachable', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'dns_error',
    when: 'The name of the target has no address.',
  }),
  certificateSelfSigned: problem('GW_UPSTREAM_CERTIFICATE_SELF_SIGNED', 502, BAD_TLS, {
    ...BAD_CERTIFICATE,
    when: "The target's certificate, or one above it, is signed by itself and not trusted.",
  }),
  certificateExpired: problem('GW_UPSTREAM_CERTIFICATE_EXPIRED', 502, BAD_TLS, {
    ...BAD_CERTIFICATE,
    when: "The target's certificate has expired, or is not valid yet.",
  }),
  certificateName: problem('GW_UPSTREAM_CERTIFICATE_NAME', 502, BAD_TLS, {
    ...BAD_CERTIFICATE,
    when: "The target's certificate is for other names.",
  }),
  certificateUntrusted: problem('GW_UPSTREAM_CERTIFICATE_UNTRUSTED', 502, BAD_TLS, {
    ...BAD_CERTIFICATE,
    when: "The target's certificate leads to no authority that the gateway knows.",
  }),
  certificateRefused: problem('GW_UPSTREAM_CERTIFICATE_INVALID', 502, BAD_TLS, {
    ...BAD_CERTIFICATE,
    when: "The target's certificate is not valid for another reason, such as a revocation.",
  }),
  certificatePin: problem('GW_UPSTREAM_CERTIFICATE_PIN', 502, BAD_TLS, {
    ...BAD_CERTIFICATE,
    when: "The key of the target's certificate is none of `tls.pins` of the upstream.",
  }),
  spiffeId: problem('GW_UPSTREAM_SPIFFE_ID', 502, BAD_TLS, {
    ...BAD_CERTIFICATE,
    when: "The target's certificate has no SPIFFE ID that `tls.spiffe` of the upstream allows.",
  }),
  noIdentity: problem('GW_UPSTREAM_NO_IDENTITY', 503, 'No identity', {
    ...INTERNAL,
    part: 'upstream',
    when:
      'The gateway has no SPIFFE identity now, or no bundle of the trust domain of the target; ' +
      '`/readyz` and `/stats` say why.',
  }),
  upstreamTlsAlert: problem('GW_UPSTREAM_TLS_ALERT', 502, BAD_TLS, {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'tls_alert_received',
    when:
      'The target refused TLS with an alert: it may want another version or name, or a ' +
      'certificate of the gateway.',
  }),
  upstreamTls: problem('GW_UPSTREAM_TLS', 502, BAD_TLS, {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'tls_protocol_error',
    when: 'The target does not speak TLS, or no version and cipher that the gateway takes.',
  }),
  upstreamReset: problem('GW_UPSTREAM_RESET', 502, 'Upstream connection lost', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'connection_terminated',
    when: 'The target closed the connection before its reply was complete.',
  }),
  upstreamHeadTooLarge: problem('GW_UPSTREAM_HEAD_TOO_LARGE', 502, 'Invalid upstream reply', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_response_header_section_size',
    when: "The head of the target's reply is larger than replyHeadBytes, or has too many fields.",
  }),
  upstreamProtocol: problem('GW_UPSTREAM_PROTOCOL', 502, 'Invalid upstream reply', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_protocol_error',
    when: 'The target sent something that is not HTTP.',
  }),
  tunnelNotTaken: problem('GW_UPSTREAM_NO_WEBSOCKET', 501, 'No WebSocket at the target', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_upgrade_failed',
    when:
      'The target answers a WebSocket handshake with 2xx, as an ordinary request, or it speaks ' +
      'HTTP/2 and its settings do not allow extended CONNECT (RFC 8441).',
  }),
  replyUnchangeable: problem('GW_UPSTREAM_BODY', 502, 'Upstream reply cannot be changed', {
    source: 'upstream',
    part: 'rewrite',
    proxyError: 'http_response_body_size',
    when: 'A reply that must be changed is too large, encoded, or not JSON.',
  }),
  responseTimeout: problem('GW_UPSTREAM_TIMEOUT', 504, 'Upstream too slow', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_response_timeout',
    when: 'No reply head within timeouts.response or perTry, or no byte within idle.',
  }),
  routeTimeout: problem('GW_ROUTE_TIMEOUT', 504, 'Upstream too slow', {
    source: 'upstream',
    part: 'upstream',
    proxyError: 'http_response_timeout',
    when: 'The timeout of the route is over.',
  }),
  internal: problem('GW_INTERNAL', 500, 'Internal error', {
    ...INTERNAL,
    part: 'worker',
    when: 'A mistake in the gateway; the log has the details.',
  }),
} as const;
