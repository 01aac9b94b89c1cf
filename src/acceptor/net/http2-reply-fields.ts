/**
 * The fields of a reply's head as HTTP/2 has them.
 *
 * Thread: acceptor. The text of a lane is the value of X-Request-Id and a field block; Date and
 * Content-Length are the engine's to write, as in HTTP/1.1. RFC 9110 6.6.1 and 8.6. They are put
 * together as bytes: texts of a reply's fields would be dearer than all else that is done with it.
 */
import { copyBytes } from '../../base/copy-bytes.js';
import { field } from '../../base/field-block.js';
import { endsInDate } from '../../channel/records/response-head.js';
import { dateLine } from '../../wire/http1/date-line.js';
import type { FieldLines } from '../../wire/http2/known-lines.js';
import type { ReplyHead } from '../client-engine.js';

const NO_CONTENT = 204;
const LENGTH_START: Uint8Array = Buffer.from(field('content-length', ''), 'latin1');
/** What is written beside the text of the lane. */
const EXTRA_BYTES = 128;

/** One object for all replies. */
const lines: { -readonly [K in keyof FieldLines]: FieldLines[K] } = {
  bytes: Buffer.allocUnsafeSlow(8 * 1024),
  idBytes: 0,
  length: 0,
};

// Hot path (bench/gateway/http2-multiplexed): once for every reply.
/**
 * `bodyBytes`: what Content-Length says, -1 for none; `unixMs`: the time of the reply. The lines
 * are valid until the next call.
 */
export function replyLines(
  { status, idBytes, text }: ReplyHead,
  bodyBytes: number,
  unixMs: number,
): FieldLines {
  const room = text.length + EXTRA_BYTES;
  if (room > lines.bytes.length) lines.bytes = Buffer.allocUnsafeSlow(room);
  const { bytes } = lines;
  let at = append(bytes, 0, text);
  if (!endsInDate(text)) at = append(bytes, at, dateLine(unixMs));
  const hasLength = bodyBytes >= 0 && status >= 200 && status !== NO_CONTENT;
  if (hasLength) {
    at = append(bytes, at, LENGTH_START);
    at += bytes.write(String(bodyBytes), at, 'latin1');
  }
  lines.idBytes = idBytes;
  lines.length = at;
  return lines;
}

function append(bytes: Buffer, at: number, more: Uint8Array): number {
  copyBytes(more, bytes, at);
  return at + more.length;
}
