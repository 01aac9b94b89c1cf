/**
 * Question: what does a plain GET cost when it comes over TLS, on connections that stay open?
 */
import { closedLoop } from '../closed-loop.js';
import { speaksTls } from '../tls-scenarios.js';
import { PLAIN_GET } from './plain-get.js';

export const tlsGet = closedLoop({
  name: 'tls-get',
  title: 'GET over TLS, 131 bytes of JSON back',
  notes: ['Certificate ECDSA P-256; both choose AES-128-GCM, the first by default in Sluice.'],
  request: PLAIN_GET,
  takes: speaksTls,
});
