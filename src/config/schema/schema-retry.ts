/**
 * The JSON Schema of retries and hedging.
 *
 * Thread: any (pure). A part of schema.ts, which puts it into the whole.
 */
import { DEFAULTS } from '../defaults.js';
import type { BackOffConfig, HedgeConfig, RetryConfig } from '../gateway-config.js';
import {
  durationNode,
  integerNode,
  listNode,
  objectNode,
  RETRY_CONDITION_PATTERN,
  type SchemaNode,
} from './schema-node.js';

const { retry } = DEFAULTS.upstream;

/** Retries of one upstream. */
export const RETRY_NODE: SchemaNode = objectNode<RetryConfig>(
  'When a request that failed is sent again, to another target where there is one.',
  {
    attempts: integerNode('Retries of one request; 0 for none.', [0, 10], {
      default: retry.attempts,
    }),
    on: listNode(
      'What is retried: connectFailure, reset, timeout, gatewayError (502, 503, 504), or a status.',
      {
        type: ['string', 'integer'],
        pattern: RETRY_CONDITION_PATTERN,
        minimum: 400,
        maximum: 599,
      },
      { default: retry.on, maxItems: 32, uniqueItems: true },
    ),
    budgetPercent: integerNode(
      'Retries that there may be, in percent of the requests of the last ten seconds.',
      [0, 100],
      { default: retry.budgetPercent },
    ),
    minConcurrency: integerNode(
      'Retries that there may be in ten seconds however few the requests are.',
      [0, 10_000],
      { default: retry.minConcurrency },
    ),
    backOff: objectNode<BackOffConfig>(
      'How long a retry waits: a random part of a span that doubles each time.',
      {
        base: durationNode('The first span.', ['0s', '1m'], { default: retry.backOff.base }),
        max: durationNode('The longest span.', ['0s', '5m'], { default: retry.backOff.max }),
      },
    ),
  },
);

/** Hedging of one upstream. */
export const HEDGE_NODE: SchemaNode = objectNode<HedgeConfig>(
  'A second try at another target when the first is slow. Absent: none.',
  {
    after: durationNode('How long the first try may take before the second begins.', ['1ms', '5m']),
  },
  'after',
);
