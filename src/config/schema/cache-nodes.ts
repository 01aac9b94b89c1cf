/**
 * The schema of stored replies: the memory of all of them, and what a route stores.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  listNode,
  objectNode,
  oneOrListNode,
  sizeNode,
  switchNode,
  textNode,
} from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const QUERY_TEXT = textShape('^[^&=#\\s]+$', '"all", "none", or the name of a parameter');
const { cache } = DEFAULTS;

/** At the top of the configuration. */
export const CACHE_MEMORY_NODE = objectNode(
  'CacheMemoryConfig',
  'The memory of stored replies, which all workers share. What nobody stores takes none of it.',
  {
    memory: sizeNode(
      'All that stored replies may take, with what it takes to find them.',
      ['4MiB', '65536MiB'],
      { default: cache.memory },
    ),
  },
);

const KEY_NODE = objectNode(
  'CacheKeyConfig',
  'What makes two requests ask for the same reply, besides route, scheme, host and path.',
  {
    query: oneOrListNode(
      'Which parameters of the query: `all`, `none`, or the names of those that count. ' +
        'Parameters that do not count still go to the target.',
      textNode(QUERY_TEXT),
      { default: cache.key.query, minItems: 1, maxItems: 32, uniqueItems: true },
    ),
    headers: listNode(
      'Fields of the request by which replies differ although `Vary` does not say so.',
      textNode(HEADER_NAME_TEXT),
      { default: [], maxItems: 16, uniqueItems: true },
    ),
    consumer: booleanNode(
      'Whether each caller has replies of its own. Without it what a known caller gets is ' +
        'stored only where the reply says that it is for all (`public`, `s-maxage` or ' +
        '`must-revalidate`).',
      cache.key.consumer,
    ),
  },
);

const COLLAPSE_NODE = switchNode(
  'Whether requests for a reply that is being fetched wait for it, in all workers, so that its ' +
    'target gets one request.',
  objectNode('CacheCollapseConfig', 'How long they wait.', {
    timeout: durationNode(
      'After this another one fetches, and those who have waited go to the target.',
      ['10ms', '10m'],
      { default: cache.collapse.timeout },
    ),
  }),
  { default: true },
);

/** On a route. */
export const ROUTE_CACHE_NODE = switchNode(
  'Whether replies to GET may be stored and answer later requests, as RFC 9111 allows it to a ' +
    'shared cache. What says nothing of its freshness is not stored.',
  objectNode('RouteCacheConfig', 'What is stored, and for whom.', {
    key: KEY_NODE,
    heuristic: integerNode(
      'Percentage of the time since `Last-Modified` for which a reply without a lifetime of its ' +
        'own is fresh, a day at most. 0: it is not.',
      [0, 100],
      { default: cache.heuristic },
    ),
    maxEntryBytes: sizeNode(
      'Longest body that is stored. A quarter of the memory of one worker is a bound as well.',
      ['1KiB', '64MiB'],
      { default: cache.maxEntryBytes },
    ),
    staleIfError: durationNode(
      'How long beyond its freshness a reply answers while the targets fail, are down, or the ' +
        'gateway sheds, where `stale-if-error` does not say. Not 0: `s-maxage` does not forbid it.',
      ['0s', '30d'],
      { default: cache.staleIfError },
    ),
    staleWhileRevalidate: durationNode(
      'How long beyond its freshness a reply answers at once while its target is asked behind ' +
        'it, where `stale-while-revalidate` does not say. Not 0: `s-maxage` does not forbid it.',
      ['0s', '30d'],
      { default: cache.staleWhileRevalidate },
    ),
    collapse: COLLAPSE_NODE,
    clientMayBypass: booleanNode(
      'Whether `Cache-Control` of a request is obeyed: `no-cache`, `no-store`, `max-age`, ' +
        '`min-fresh` and `max-stale`. `only-if-cached` always is.',
      cache.clientMayBypass,
    ),
    targeted: listNode(
      'Fields for caches of this kind (RFC 9213); the first that a reply has holds in place of ' +
        '`Cache-Control`.',
      textNode(HEADER_NAME_TEXT),
      { default: [...cache.targeted], maxItems: 4, uniqueItems: true },
    ),
    dropCookies: booleanNode(
      'Whether a reply with `Set-Cookie` is stored without it. Else it is not stored.',
      cache.dropCookies,
    ),
  }),
  { default: false },
);
