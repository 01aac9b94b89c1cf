/**
 * The schema of targets that the gateway finds by itself: where it asks, and what it makes of it.
 *
 * Thread: any (pure). A part of upstream-nodes.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  objectNode,
  stringNode,
} from '../../schema/schema-node.js';
import { textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const { discovery } = DEFAULTS.upstream;

/** Targets found for one upstream: a position has a byte, and some rows are spare. */
const FOUND_MAX = 200;

const HTTP_URL_TEXT = textShape(
  '^https?://[!-~]{1,1000}$',
  'a URL that begins with http:// or https://',
);

const HTTP_SOURCE_NODE = objectNode(
  'HttpDiscoveryConfig',
  'A document over HTTP that lists the targets, read again and again.',
  {
    url: stringNode(
      'Where the document is: JSON, in the form of `http_sd_configs` of Prometheus or as a list.',
      HTTP_URL_TEXT,
    ),
    interval: durationNode('Between two readings.', ['1s', '1h'], {
      default: discovery.http.interval,
    }),
    token: stringNode('Sent as `Authorization: Bearer`.', {
      'x-absent': 'none is sent',
      minLength: 1,
      maxLength: 4096,
      writeOnly: true,
    }),
  },
  'url',
);

/** The other form of `targets`. */
export const DISCOVERY_NODE = objectNode(
  'DiscoveryConfig',
  'Where targets are found, again and again.',
  {
    file: stringNode('A file that lists the targets, JSON or YAML, read again when it changes.', {
      minLength: 1,
      maxLength: 1024,
    }),
    http: HTTP_SOURCE_NODE,
    scheme: stringNode('How the targets are spoken with.', {
      enum: ['http', 'https'],
      default: discovery.scheme,
    }),
    maxTargets: integerNode(
      'Targets that are used at once; more that are found wait until one goes.',
      [1, FOUND_MAX],
      { default: discovery.maxTargets },
    ),
    trustEmpty: booleanNode(
      'Whether a sudden loss of more than half of the targets is believed at once. Without it ' +
        'they stay for ten seconds, and go if the source then says the same.',
      discovery.trustEmpty,
    ),
  },
);
