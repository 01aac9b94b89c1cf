/**
 * Question: does the cost of a request stay the same when a thousand connections send them?
 */
import { closedLoop } from '../closed-loop.js';
import { PLAIN_GET } from './plain-get.js';

export const connections1000 = closedLoop({
  name: 'connections-1000',
  title: 'GET on 1,000 connections, 131 bytes of JSON back',
  notes: ['Latency here is mostly the wait for 999 others; the rate and the cost say more.'],
  request: PLAIN_GET,
  connections: 1000,
});
