/**
 * Question: what does a reply of 64 KiB from memory cost, beside one that is forwarded?
 */
import { OPEN_PREFIX, STORED_PREFIX } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { LARGE_REPLY_BYTES } from '../origin.js';
import { PLAIN_GET } from './plain-get.js';

const STORED_64K = {
  ...PLAIN_GET,
  path: `${STORED_PREFIX}/large`,
  replyBytes: LARGE_REPLY_BYTES,
};

export const cacheHit64k = closedLoop({
  name: 'cache-hit-64k',
  title: 'GET, 64 KiB back from memory',
  notes: ['Its own plain GET is one of 64 KiB as well.'],
  request: STORED_64K,
  choose: () => ({ variant: 'stored', request: STORED_64K }),
  besides: { ...STORED_64K, path: `${OPEN_PREFIX}/large` },
  takes: ({ abilities }) => abilities.includes('cache'),
});
