/**
 * Question: what does it cost to compress 64 KiB of JSON for a client that asks for it?
 */
import { PACKED_PREFIX } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { PLAIN_GET } from './plain-get.js';

const PACKED_GET = {
  ...PLAIN_GET,
  path: `${PACKED_PREFIX}/rows`,
  headers: { 'Accept-Encoding': 'gzip' },
  replyBytes: -1,
};

export const gzip64k = closedLoop({
  name: 'gzip-64k',
  title: 'GET, 64 KiB of JSON compressed by gzip at level 5',
  notes: [
    'Rows as an API lists them; about a seventh is left.',
    'HAProxy compresses by a library of its own, which has no levels and leaves more.',
  ],
  request: PACKED_GET,
  choose: () => ({ variant: 'packed', request: PACKED_GET }),
  connections: 8,
  takes: ({ abilities }) => abilities.includes('compression'),
});
