/**
 * Question: how fast does a gateway pass a large reply on when it has to be encrypted?
 */
import { streamScenario } from '../stream.js';

export const tlsStreamDown = streamScenario('tls-down');
