/**
 * Question: what does a piece of the operator's own code in each request cost?
 *
 * The code takes a part of the path, gives it to the target in a field, and marks the reply.
 */
import { PLUGIN_PREFIX } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { PLAIN_GET } from './plain-get.js';

const MARKED_GET = { ...PLAIN_GET, path: `${PLUGIN_PREFIX}/small` };

export const plugin = closedLoop({
  name: 'plugin',
  title: 'GET through code of the operator, 131 bytes of JSON back',
  notes: ['Sluice: a plugin. HAProxy: Lua. nginx: njs. fastify: a hook.'],
  request: MARKED_GET,
  choose: () => ({ variant: 'plugin', request: MARKED_GET }),
  besides: PLAIN_GET,
  takes: ({ abilities }) => abilities.includes('plugin'),
});
