/**
 * Question: what does a gateway cost when replies are large enough for copies to matter?
 */
import { OPEN_PREFIX } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { LARGE_REPLY_BYTES } from '../origin.js';
import { PLAIN_GET } from './plain-get.js';

export const reply64k = closedLoop({
  name: 'reply-64k',
  title: 'GET, 64 KiB back',
  request: { ...PLAIN_GET, path: `${OPEN_PREFIX}/large`, replyBytes: LARGE_REPLY_BYTES },
});
