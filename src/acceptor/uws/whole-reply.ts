/**
 * Writes a reply as one header of uWebSockets.js, its body included.
 *
 * Thread: acceptor. Whatever completes a reply in the library takes the handle away, and with it
 * the body of the request. A reply that comes before the end of its upload is written as header
 * lines instead, and the library takes it for one whose head goes on. The library writes CRLF
 * behind each line: behind the last chunk this is the end of the body.
 */
import { field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { FLAG_BODILESS } from '../../channel/records/record-kind.js';
import { endsInDate } from '../../channel/records/response-head.js';
import type { ReplyHead } from '../client-engine.js';

const CLOSE = field('Connection', 'close');

/** The value of X-Request-Id and all that follows it; `unixMs` is the time of the reply. */
export function wholeReply(head: ReplyHead, unixMs: number): Uint8Array {
  const { flags, inlineBody, text, status, bodyBytes } = head;
  const date = endsInDate(text) ? NO_FIELDS : field('Date', new Date(unixMs).toUTCString());
  const fields = joinFields(date, CLOSE);
  if ((flags & FLAG_BODILESS) !== 0) {
    const hasLength = bodyBytes >= 0 && status !== 204;
    const length = hasLength ? field('Content-Length', String(bodyBytes)) : '';
    return Buffer.concat([text, Buffer.from(`${fields}${length}\r\n`)]);
  }
  const size = inlineBody.length;
  const coding = joinFields(fields, field('Transfer-Encoding', 'chunked'));
  const start = size === 0 ? '' : `${size.toString(16)}\r\n`;
  const end = size === 0 ? '0\r\n' : '\r\n0\r\n';
  return Buffer.concat([
    text,
    Buffer.from(`${coding}\r\n\r\n${start}`),
    inlineBody,
    Buffer.from(end),
  ]);
}

/** The id of the request as the trailer that ends a reply: the last line has to have a name. */
export function lastLineOf({ text, idBytes }: ReplyHead): string {
  return `${Buffer.from(text.subarray(0, idBytes)).toString('latin1')}\r\n`;
}
