/**
 * The schema of `fallback` of a route.
 *
 * Thread: any (pure). A part of route-node.ts.
 */
import { listNode, listOrObjectNode, objectNode } from '../../schema/schema-node.js';
import { USED_NAME } from './authenticator-nodes.js';
import { DEFAULTS } from './defaults.js';
import { FAILURE_KIND_NODE } from './upstream-nodes.js';

/** Upstreams after the first one; each has a counter in the row of its route. */
const FALLBACKS_MAX = 4;

const FALLBACK_NODE = objectNode(
  'FallbackConfig',
  'Upstreams that get a request after those before them have failed.',
  {
    upstreams: listNode('Names of upstreams, in the order in which they are tried.', USED_NAME, {
      minItems: 1,
      maxItems: FALLBACKS_MAX,
      uniqueItems: true,
    }),
    on: listNode(
      'What counts as a failure. `connectFailure` is also an open circuit breaker, and no target ' +
        'that is healthy. `5xx` stands for the statuses 500 to 599; any status from 400 to 599 ' +
        'may be named.',
      FAILURE_KIND_NODE,
      { default: DEFAULTS.fallback.on, minItems: 1, maxItems: 32, uniqueItems: true },
    ),
  },
  'upstreams',
);

/** `fallback` of a route. */
export const ROUTE_FALLBACK_NODE = listOrObjectNode(
  'Upstreams that get a request after `upstream` has failed, its own retries included, one after ' +
    'the other, as long as nothing of a body has gone to the client. Only requests that may run ' +
    'twice go on, and those that no target has taken. The time is bounded by `timeout` of the ' +
    'route alone.',
  USED_NAME,
  FALLBACK_NODE,
  { minItems: 1, maxItems: FALLBACKS_MAX, uniqueItems: true },
);
