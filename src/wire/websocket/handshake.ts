/**
 * What the head of a handshake has to say, as far as that can be told without a hash.
 *
 * Thread: any (pure). RFC 6455 4.1, 4.2 and 11.3.
 */
import { tokensOf } from '../http1/token-list.js';

/** The only version of the protocol. */
export const WEBSOCKET_VERSION = '13';

/** The value of Upgrade. */
export const WEBSOCKET = 'websocket';

/** 16 bytes in base64: the last character before the padding has four bits that are 0. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** Whether this is a nonce as Sec-WebSocket-Key has it. */
export function isHandshakeKey(value: string): boolean {
  return KEY.test(value);
}

/** Whether Upgrade asks for a WebSocket, beside whatever else. */
export function namesWebSocket(upgrade: string): boolean {
  return tokensOf(upgrade).includes(WEBSOCKET);
}
