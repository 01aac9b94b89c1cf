/**
 * What the configuration means where the user says nothing.
 *
 * Thread: any (pure). The schema shows these and the compiler fills them in: one list for both.
 */

/** More workers than this would only fight for cores. */
export const WORKER_COUNT_MAX = 64;

export const DEFAULTS = {
  // Loopback, so that a first start never opens a port to the network by accident.
  listen: {
    host: '127.0.0.1',
    port: 8080,
    reusePort: false,
    engine: 'auto',
    protocols: ['http1'],
    redirectToHttps: false,
    redirectPort: 443,
    idleTimeout: '75s',
    headTimeout: '10s',
    bodyIdleTimeout: '60s',
    handshakeTimeout: '10s',
    chunkedRequests: 'refuse',
  },
  admin: { host: '127.0.0.1', port: 9901 },
  limits: {
    headerBytes: '16KiB',
    bodyBytes: '1MiB',
    bodyOnGet: true,
    trackedClients: 262_144,
    inFlight: 10_000,
    connections: 8192,
    connectionsPerAddress: 1024,
    bodyRate: 240,
    lingerBytes: '256MiB',
    laneDepth: 2048,
    queueTime: '1s',
  },
  logging: {
    level: 'info',
    format: 'auto',
    accessLog: true,
    redactQuery: ['access_token', 'api_key', 'apikey', 'password', 'secret', 'signature', 'token'],
  },
  tracing: { samplePercent: 1, propagation: ['w3c'], serviceName: 'sluice' },
  reload: { watch: true },
  shutdown: { delay: '0s', grace: '10s' },
  authenticator: {
    clockSkew: '30s',
    consumerClaim: 'sub',
    jwksCache: '10m',
    jwksCooldown: '30s',
    apiKeyHeader: 'apikey',
    introspectionTimeout: '1s',
    introspectionCache: '30s',
    forwardTimeout: '200ms',
    forwardRequestHeaders: ['authorization', 'cookie', 'accept', 'x-requested-with'],
  },
  tokenService: {
    algorithm: 'ES256',
    rotateKeys: '24h',
    accessTokenLifetime: '5m',
    refreshTokenLifetime: '720h',
    maxSessions: 100_000,
  },
  upstream: {
    target: { weight: 1, backup: false },
    loadBalancing: {
      policy: 'roundRobin',
      choices: 2,
      hashOn: 'clientIp',
      slowStart: '0s',
      panicThreshold: 50,
    },
    circuitBreaker: {
      failureThreshold: 5,
      failureOn: ['connectFailure', 'timeout', 'reset', '5xx'],
      failureOnOfOnlyTarget: ['connectFailure', 'timeout', 'reset'],
      openFor: '60s',
      halfOpenRequests: 1,
      rampUp: '0s',
    },
    failureRate: { minimumRequests: 20, window: '10s' },
    healthCheck: {
      path: '/',
      interval: '5s',
      timeout: '1s',
      healthyThreshold: 2,
      unhealthyThreshold: 3,
      expectedStatuses: ['200-299'],
      jitterPercent: 10,
    },
    outlierDetection: {
      consecutive5xx: 5,
      interval: '10s',
      baseEjectionTime: '30s',
      maxEjectionTime: '300s',
      maxEjectionPercent: 10,
    },
    resolve: { interval: '30s' },
    // Those of Envoy's adaptive concurrency filter.
    adaptiveConcurrency: {
      minConcurrency: 3,
      maxConcurrency: 1000,
      updateInterval: '100ms',
      samplePercentile: 50,
      bufferPercent: 25,
      minRttInterval: '60s',
      minRttRequests: 50,
      jitterPercent: 15,
    },
    timeouts: { connect: '5s', response: '15s', idle: '5m' },
    retry: {
      attempts: 1,
      on: ['connectFailure', 'reset'],
      budgetPercent: 20,
      minConcurrency: 3,
      backOff: { base: '25ms', max: '250ms' },
    },
  },
  anonymous: 'refuse',
  rateLimit: {
    algorithm: 'slidingWindow',
    key: 'clientIp',
    callers: 'all',
    cost: 1,
    mode: 'enforce',
  },
  onCoordinatorLost: 'wait',
  hardening: { pathParameters: 'refuse', overrideHeaders: 'remove' },
  requestId: { accept: 'anyone' },
  via: 'off',
} as const;
