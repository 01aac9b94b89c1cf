/**
 * Question: what does a small reply from memory cost, beside one that is forwarded?
 */
import { STORED_PREFIX } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { PLAIN_GET } from './plain-get.js';

export const cacheHit = closedLoop({
  name: 'cache-hit',
  title: 'GET, 131 bytes of JSON back from memory',
  notes: [
    'One reply, asked for again and again: the first request stores it.',
    'Sluice: `cache: true`. nginx: proxy_cache in a folder in memory. Varnish: malloc.',
  ],
  request: { ...PLAIN_GET, path: `${STORED_PREFIX}/small` },
  choose: () => ({
    variant: 'stored',
    request: { ...PLAIN_GET, path: `${STORED_PREFIX}/small` },
  }),
  besides: PLAIN_GET,
  takes: ({ abilities }) => abilities.includes('cache'),
});
