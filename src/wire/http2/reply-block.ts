/**
 * The header blocks of replies.
 *
 * Thread: any (pure). RFC 9113 8.2 and 8.3.2.
 */
import type { FieldBlock } from '../../base/field-block.js';
import {
  HPACK_BLOCK_EXTRA_BYTES,
  HPACK_FIELD_EXTRA_BYTES,
  type HpackEncoder,
} from '../hpack/hpack-encoder.js';

/** What HTTP/1.1 says of a connection, and HTTP/2 does not allow. */
export const NOT_IN_HTTP2: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
/** No field has fewer characters in a block: CRLF, a name, a colon, a space. */
const FIELD_CHARS_MIN = 5;

/** Where blocks are written, one after the other. */
let scratch = Buffer.allocUnsafeSlow(8 * 1024);

// Hot path (bench/gateway/plain-get): every reply.
/**
 * The block of a reply; status 0: of its trailers. It is valid until the next one is encoded in
 * this thread.
 */
export function encodeReply(encoder: HpackEncoder, status: number, fields: FieldBlock): Buffer {
  const fieldsMax = fields.length / FIELD_CHARS_MIN + 2;
  const room = HPACK_BLOCK_EXTRA_BYTES + fields.length + fieldsMax * HPACK_FIELD_EXTRA_BYTES;
  if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(Math.ceil(room));
  const out = scratch;
  let to = encoder.begin(out, 0);
  if (status > 0) to = encoder.field(out, to, ':status', String(status));
  let start = 2;
  while (start < fields.length) {
    const next = fields.indexOf('\r\n', start);
    const end = next === -1 ? fields.length : next;
    const colon = fields.indexOf(':', start);
    const name = fields.slice(start, colon).toLowerCase();
    if (!NOT_IN_HTTP2.has(name)) to = encoder.field(out, to, name, fields.slice(colon + 2, end));
    start = end + 2;
  }
  return out.subarray(0, to);
}
