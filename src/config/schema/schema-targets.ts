/**
 * The JSON Schema of what concerns targets: balancing, breaker, health.
 *
 * Thread: any (pure). A part of schema.ts, which puts it into the whole.
 */
import { DEFAULTS } from '../defaults.js';
import type {
  CircuitBreakerConfig,
  FailureRateConfig,
  LoadBalancingConfig,
  ResolveConfig,
  StickyCookieConfig,
  TargetConfig,
} from '../gateway-config.js';
import type { HealthCheckConfig, OutlierDetectionConfig } from '../health-config.js';
import {
  ALL_PATTERN,
  booleanNode,
  CHECK_HOST_PATTERN,
  CHECK_PATH_PATTERN,
  durationNode,
  FAILURE_KIND_PATTERN,
  HASH_SOURCE_PATTERN,
  HEADER_NAME_PATTERN,
  integerNode,
  listNode,
  objectNode,
  type SchemaNode,
  STATUS_RANGE_PATTERN,
  stringNode,
} from './schema-node.js';

const { upstream: defaults } = DEFAULTS;

export const TARGET_NODE: SchemaNode = objectNode<TargetConfig>(
  'One address of an upstream.',
  {
    url: stringNode('http://host:port or https://host:port, without path, query or credentials.', {
      minLength: 1,
      maxLength: 512,
    }),
    weight: integerNode('Its part among the others; not for roundRobin.', [1, 1000], {
      default: defaults.target.weight,
    }),
    backup: booleanNode('Used only while no other target is available.', defaults.target.backup),
  },
  'url',
);

export const LOAD_BALANCING_NODE: SchemaNode = objectNode<LoadBalancingConfig>(
  'How a target is chosen.',
  {
    policy: stringNode(
      'roundRobin: in turn. weightedRoundRobin: in turn, by weight. leastRequest: the one with ' +
        'the fewest requests in flight for its weight. consistentHash: the same one for the same ' +
        'hashOn. random: by weight.',
      {
        default: defaults.loadBalancing.policy,
        enum: ['roundRobin', 'weightedRoundRobin', 'leastRequest', 'consistentHash', 'random'],
      },
    ),
    choices: {
      type: ['integer', 'string'],
      description: 'Targets that leastRequest draws and compares, or all.',
      default: defaults.loadBalancing.choices,
      minimum: 2,
      maximum: 10,
      pattern: ALL_PATTERN,
    },
    hashOn: stringNode('What consistentHash goes by: clientIp, path, header:NAME, cookie:NAME.', {
      default: defaults.loadBalancing.hashOn,
      pattern: HASH_SOURCE_PATTERN,
    }),
    slowStart: durationNode(
      'How long a target that becomes healthy gets less than its part.',
      ['0s', '1h'],
      { default: defaults.loadBalancing.slowStart },
    ),
    panicThreshold: integerNode(
      'Percent of healthy targets below which health is ignored; 0: never.',
      [0, 100],
      { default: defaults.loadBalancing.panicThreshold },
    ),
    stickyCookie: objectNode<StickyCookieConfig>(
      'Keeps a client at its target by a cookie. Absent: none.',
      {
        name: stringNode('Name of the cookie.', { pattern: HEADER_NAME_PATTERN }),
        maxAge: durationNode('How long the client keeps it. Absent: as long as its session.', [
          '1s',
          '8760h',
        ]),
        secret: stringNode(
          'What values are made with, so that they are good after a restart and at other ' +
            'gateways. Absent: a random one for each process.',
          { minLength: 32, maxLength: 4096, writeOnly: true },
        ),
      },
      'name',
    ),
  },
);

export const CIRCUIT_BREAKER_NODE: SchemaNode = objectNode<CircuitBreakerConfig>(
  'When a failing target is left alone. Each target has a breaker of its own.',
  {
    failureThreshold: integerNode('Failures in a row that open the circuit.', [1, 1000], {
      default: defaults.circuitBreaker.failureThreshold,
    }),
    failureRate: objectNode<FailureRateConfig>(
      'Share of failures that opens the circuit, beside those in a row. Absent: none.',
      {
        percent: integerNode('Percent of the requests in the window.', [1, 100]),
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
    ),
    failureOn: listNode(
      'What counts as a failure: connectFailure, timeout, reset, 5xx, or a status.',
      { type: ['string', 'integer'], pattern: FAILURE_KIND_PATTERN, minimum: 400, maximum: 599 },
      { default: defaults.circuitBreaker.failureOn, maxItems: 32, uniqueItems: true },
    ),
    openFor: durationNode('How long an open circuit lets nothing through.', ['100ms', '1h'], {
      default: defaults.circuitBreaker.openFor,
    }),
    openForMax: durationNode(
      'Longest openFor, which doubles each time that the probe fails. Absent: openFor.',
      ['100ms', '24h'],
    ),
    halfOpenRequests: integerNode(
      'Requests let through at once to probe a half-open circuit.',
      [1, 100],
      { default: defaults.circuitBreaker.halfOpenRequests },
    ),
    rampUp: durationNode('How long a recovered target gets less than its part.', ['0s', '1h'], {
      default: defaults.circuitBreaker.rampUp,
    }),
  },
);

const { healthCheck } = defaults;

export const HEALTH_CHECK_NODE: SchemaNode = objectNode<HealthCheckConfig>(
  'Probes that the gateway sends to each target by itself. Absent: none.',
  {
    type: stringNode('http: a GET that must be answered well. tcp: a connection.', {
      enum: ['http', 'tcp'],
    }),
    path: stringNode('Path of the GET.', {
      default: healthCheck.path,
      pattern: CHECK_PATH_PATTERN,
    }),
    host: stringNode("Host field of the GET. Absent: the target's host and port.", {
      pattern: CHECK_HOST_PATTERN,
    }),
    interval: durationNode('Between two probes of one target.', ['100ms', '1h'], {
      default: healthCheck.interval,
    }),
    timeout: durationNode('How long a probe may take.', ['10ms', '1m'], {
      default: healthCheck.timeout,
    }),
    healthyThreshold: integerNode(
      'Probes in a row that must pass before a target is used again.',
      [1, 100],
      { default: healthCheck.healthyThreshold },
    ),
    unhealthyThreshold: integerNode(
      'Probes in a row that must fail before a target is not used.',
      [1, 100],
      { default: healthCheck.unhealthyThreshold },
    ),
    expectedStatuses: listNode(
      'Statuses that pass.',
      { type: ['string', 'integer'], pattern: STATUS_RANGE_PATTERN, minimum: 100, maximum: 599 },
      { default: healthCheck.expectedStatuses, minItems: 1, maxItems: 32 },
    ),
    jitterPercent: integerNode(
      'Part of the interval by which each wait is changed at random.',
      [0, 50],
      { default: healthCheck.jitterPercent },
    ),
  },
  'type',
);

const { outlierDetection: outlier } = defaults;

export const OUTLIER_DETECTION_NODE: SchemaNode = objectNode<OutlierDetectionConfig>(
  'Takes a target out for a while that answers worse than it should. Absent: never.',
  {
    consecutive5xx: integerNode('Answers of 5xx, or none at all, in a row.', [1, 1000], {
      default: outlier.consecutive5xx,
    }),
    interval: durationNode(
      'How long a target must be well for one ejection to be forgiven.',
      ['100ms', '1h'],
      { default: outlier.interval },
    ),
    baseEjectionTime: durationNode(
      'How long the first ejection lasts; each further one as much longer.',
      ['100ms', '1h'],
      { default: outlier.baseEjectionTime },
    ),
    maxEjectionTime: durationNode('Longest ejection.', ['100ms', '24h'], {
      default: outlier.maxEjectionTime,
    }),
    maxEjectionPercent: integerNode(
      'Targets that may be out at once; of two or more, one always may.',
      [0, 100],
      { default: outlier.maxEjectionPercent },
    ),
  },
);

export const RESOLVE_NODE: SchemaNode = objectNode<ResolveConfig>(
  'Looks host names of targets up again and again; each address is a target of its own.',
  {
    interval: durationNode('Between two look-ups.', ['1s', '1h'], {
      default: defaults.resolve.interval,
    }),
  },
);
