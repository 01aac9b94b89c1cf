/**
 * Question: what does a new connection over TLS cost with a full handshake, with a signature?
 */
import { handshakeScenario } from '../handshake.js';

export const tlsHandshakeFull = handshakeScenario('full');
