/**
 * Question: what does a small request body add to the cost of forwarding?
 */
import { makeBody } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { PLAIN_GET } from './plain-get.js';

const POST_BYTES = 1024;

export const post1k = closedLoop({
  name: 'post-1k',
  title: 'POST of 1 KiB, 131 bytes of JSON back',
  request: {
    ...PLAIN_GET,
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: makeBody(POST_BYTES),
  },
});
