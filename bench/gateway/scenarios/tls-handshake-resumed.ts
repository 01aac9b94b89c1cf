/**
 * Question: what does a new connection over TLS cost with a handshake that goes on from a ticket?
 */
import { handshakeScenario } from '../handshake.js';

export const tlsHandshakeResumed = handshakeScenario('resumed');
