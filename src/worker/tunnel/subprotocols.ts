/**
 * The subprotocols that a client offers for its WebSocket.
 *
 * Thread: worker. RFC 6455 11.3.4: a list of tokens, in which case counts.
 */
import type { RequestFields } from '../exchange/request-fields.js';

export const OFFERS = 'sec-websocket-protocol';

/** In the order of the request; empty ones are left out. */
export function subprotocolsOf(fields: RequestFields): string[] {
  return fields
    .values(OFFERS)
    .flatMap((value) => value.split(','))
    .map((offered) => offered.trim())
    .filter((offered) => offered !== '');
}
