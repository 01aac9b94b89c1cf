/**
 * The schema of what decides whether a target is fit to be used, and of how names are looked up.
 *
 * Thread: any (pure). A part of upstream-nodes.ts.
 */
import {
  durationNode,
  integerNode,
  integerOrTextNode,
  listNode,
  objectNode,
  stringNode,
} from '../../schema/schema-node.js';
import { STATUS_RANGE_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const CHECK_PATH_TEXT = textShape('^/[!-~]{0,1023}$', 'a path that begins with /');
const CHECK_HOST_TEXT = textShape('^[!-~]{1,255}$', 'a host name, with or without a port');

const CHECK_SERVICE_TEXT = textShape('^[A-Za-z0-9._/-]{1,127}$', 'the full name of a service');

const { healthCheck, outlierDetection: outlier, resolve } = DEFAULTS.upstream;

export const HEALTH_CHECK_NODE = objectNode(
  'HealthCheckConfig',
  'Probes that the gateway sends to each target by itself.',
  {
    type: stringNode(
      '`http`: a GET that must get an expected status. `tcp`: a connection that must be ' +
        'accepted. `grpc`: a call of `grpc.health.v1.Health/Check` over HTTP/2 that must say ' +
        'SERVING.',
      { enum: ['http', 'tcp', 'grpc'] },
    ),
    service: stringNode('Full name of the service that the call of `grpc` asks about.', {
      'x-absent': 'the server as a whole',
      ...CHECK_SERVICE_TEXT,
    }),
    path: stringNode('Path of the GET.', { default: healthCheck.path, ...CHECK_PATH_TEXT }),
    host: stringNode('Host field of the GET.', {
      'x-absent': 'host and port of the target',
      ...CHECK_HOST_TEXT,
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
      'Probes in a row that must fail before a target is no longer used.',
      [1, 100],
      { default: healthCheck.unhealthyThreshold },
    ),
    expectedStatuses: listNode(
      'Statuses that pass, such as `200` or `200-299`.',
      integerOrTextNode([100, 599], STATUS_RANGE_TEXT),
      { default: healthCheck.expectedStatuses, minItems: 1, maxItems: 32 },
    ),
    jitterPercent: integerNode(
      'Percent of the interval by which each wait is changed at random.',
      [0, 50],
      { default: healthCheck.jitterPercent },
    ),
  },
  'type',
);

export const OUTLIER_DETECTION_NODE = objectNode(
  'OutlierDetectionConfig',
  'Takes out for a while a target that answers worse than it should. A health check that passes ' +
    'lets the target in again before its time, as in Envoy.',
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
      'How long the first ejection lasts. Each further one lasts as much longer.',
      ['100ms', '1h'],
      { default: outlier.baseEjectionTime },
    ),
    maxEjectionTime: durationNode(
      'Longest ejection. Without this key it is at least `baseEjectionTime`.',
      ['100ms', '24h'],
      { default: outlier.maxEjectionTime },
    ),
    maxEjectionPercent: integerNode(
      'Percent of the targets that may be out at once. Of two or more, one always may.',
      [0, 100],
      { default: outlier.maxEjectionPercent },
    ),
  },
);

export const RESOLVE_NODE = objectNode(
  'ResolveConfig',
  'Looks the host names of targets up again and again. Each address that is found is a target of ' +
    'its own. Without `resolve` a name is one target, and each new connection looks it up.',
  {
    interval: durationNode('Between two look-ups.', ['1s', '1h'], { default: resolve.interval }),
  },
);
