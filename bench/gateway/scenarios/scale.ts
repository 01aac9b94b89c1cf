/**
 * Question: what do more acceptors and workers bring, and what do they cost? Beside each number of
 * threads stands nginx with as many processes.
 */
import { closedLoop } from '../closed-loop.js';
import { isInScale, SCALE, scaleNotes } from '../scale-sets.js';
import { PLAIN_GET } from './plain-get.js';

export const scale = closedLoop({
  name: SCALE,
  title: 'GET by acceptors × workers, 131 bytes of JSON back',
  notes: scaleNotes(),
  request: PLAIN_GET,
  connections: 256,
  takes: isInScale,
});
