/**
 * The schema of what concerns overload. A part of schema.ts.
 *
 * Thread: any (pure).
 */
import { DEFAULTS } from '../defaults.js';
import type { AdaptiveConcurrencyConfig } from '../overload-config.js';
import {
  durationNode,
  integerNode,
  objectNode,
  type SchemaNode,
  stringNode,
} from './schema-node.js';

const { adaptiveConcurrency: defaults } = DEFAULTS.upstream;

export const ADAPTIVE_CONCURRENCY_NODE: SchemaNode = objectNode<AdaptiveConcurrencyConfig>(
  "A limit on requests in flight that follows the upstream's latency. More: 503. Absent: none.",
  {
    minConcurrency: integerNode('Least limit.', [1, 10_000], { default: defaults.minConcurrency }),
    maxConcurrency: integerNode('Greatest limit.', [1, 100_000], {
      default: defaults.maxConcurrency,
    }),
    updateInterval: durationNode('How often the limit is set.', ['10ms', '1m'], {
      default: defaults.updateInterval,
    }),
    samplePercentile: integerNode(
      'Percentile of the latencies of an interval that is looked at.',
      [1, 99],
      { default: defaults.samplePercentile },
    ),
    bufferPercent: integerNode(
      'By how many percent latency may exceed the one without load.',
      [0, 1000],
      { default: defaults.bufferPercent },
    ),
    minRttInterval: durationNode('How often the latency without load is measured.', ['1s', '24h'], {
      default: defaults.minRttInterval,
    }),
    minRttRequests: integerNode('Requests that are looked at for it.', [1, 10_000], {
      default: defaults.minRttRequests,
    }),
    jitterPercent: integerNode(
      'Percent of minRttInterval by which each is longer at random.',
      [0, 100],
      { default: defaults.jitterPercent },
    ),
  },
);

export const PRIORITY_NODE: SchemaNode = stringNode(
  'Which routes are shed first: low may use 70 % of every limit on concurrency, default 90 %.',
  { default: 'default', enum: ['low', 'default', 'high'] },
);
