/**
 * Judges the head by which a target opens a tunnel over HTTP/1.1.
 *
 * Thread: worker. RFC 6455 4.1: a client fails the connection when one of these is wrong, and so
 * does the gateway, as it is the target's client.
 */
import { entriesOf, type FieldBlock, withoutFields } from '../../base/field-block.js';
import type { ReplyHead } from '../../wire/http1/reply-head-parser.js';
import { WEBSOCKET } from '../../wire/websocket/handshake.js';
import { acceptOf } from '../tunnel/accept-key.js';

const ACCEPT = 'sec-websocket-accept';
const ONLY_ACCEPT: ReadonlySet<string> = new Set([ACCEPT]);

/** What is wrong with the head of a 101; '': nothing. */
export function mistakeOfTunnelHead({ upgrade, fields }: ReplyHead, key: string): string {
  if (upgrade !== WEBSOCKET) return 'a 101 that does not upgrade to websocket alone';
  const accepts = [...entriesOf(fields)].filter(([name]) => name.toLowerCase() === ACCEPT);
  const [accept] = accepts;
  if (accept === undefined || accepts.length > 1) return 'a 101 without one Sec-WebSocket-Accept';
  return accept[1] === acceptOf(key) ? '' : 'a 101 with a wrong Sec-WebSocket-Accept';
}

/** The fields that go on: Sec-WebSocket-Accept is for the gateway's own key. */
export function fieldsOfTunnelHead(fields: FieldBlock): FieldBlock {
  return withoutFields(fields, ONLY_ACCEPT);
}
