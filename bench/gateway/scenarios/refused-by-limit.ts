/**
 * Question: what does it cost to refuse a request that is over its limit?
 *
 * Refusing has to be cheap: it is what a gateway does most when someone floods it.
 */
import { LIMITED_PREFIX } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { PLAIN_GET } from './plain-get.js';

export const refusedByLimit = closedLoop({
  name: 'refused-by-limit',
  title: 'GET over the rate limit, 429 back',
  notes: [
    'Every reply has to be a refusal: a request that got through counts as an error.',
    'Sluice: one a hour by client address. nginx: limit_req. HAProxy: a stick table.',
  ],
  request: { ...PLAIN_GET, path: `${LIMITED_PREFIX}/small`, status: 429, replyBytes: -1 },
  besides: PLAIN_GET,
  takes: ({ abilities }) => abilities.includes('limit'),
});
