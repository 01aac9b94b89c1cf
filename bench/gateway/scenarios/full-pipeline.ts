/**
 * Question: what do authentication, limit, breaker, balancing, access log and counters add to a
 * plain GET?
 */
import { GUARDED_PREFIX, makeToken } from '../bench-requests.js';
import { closedLoop } from '../closed-loop.js';
import { PLAIN_GET } from './plain-get.js';

const MARKS = ['nginx', 'fastify'];

const GUARDED_GET = {
  ...PLAIN_GET,
  path: `${GUARDED_PREFIX}/small`,
  headers: { Authorization: `Bearer ${makeToken()}` },
};

export const fullPipeline = closedLoop({
  name: 'full-pipeline',
  title:
    'GET through JWT HS256, rate limit, circuit breaker, round robin over two targets, ' +
    'access log and counters',
  notes: [
    'Only Sluice does all of this; its access log goes to /dev/null.',
    'nginx and fastify answer a plain GET here: the mark to compare with, not the same work.',
  ],
  request: PLAIN_GET,
  besides: PLAIN_GET,
  takes: ({ name, abilities }) => abilities.includes('full-pipeline') || MARKS.includes(name),
  choose: ({ abilities }) =>
    abilities.includes('full-pipeline')
      ? { variant: 'full', request: GUARDED_GET }
      : { variant: 'plain', request: PLAIN_GET },
});
