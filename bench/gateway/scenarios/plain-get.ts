/**
 * Question: what does a gateway cost when it does nothing but forward a small reply?
 */
import { type BenchRequest, OPEN_PREFIX } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { SMALL_REPLY_BYTES } from '../origin.js';

export const PLAIN_GET: BenchRequest = {
  method: 'GET',
  path: `${OPEN_PREFIX}/small`,
  headers: {},
  body: '',
  status: 200,
  replyBytes: SMALL_REPLY_BYTES,
};

export const plainGet = closedLoop({
  name: 'plain-get',
  title: 'GET, 131 bytes of JSON back',
  request: PLAIN_GET,
});
