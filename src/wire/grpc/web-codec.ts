/**
 * What gRPC-Web has in place of HTTP/2: trailers as a last frame of the body, and base64.
 *
 *     0x80 (1) │ length (4) │ name: value CRLF ...                  the frame of trailers
 *
 * Thread: any (pure). The text goes by the protocol's description (PROTOCOL-WEB of gRPC): names in
 * lower case, and base64 in which padding may stand wherever a sender has flushed.
 */
import { entriesOf, type FieldBlock } from '../../base/field-block.js';

const FLAG_TRAILERS = 0x80;
const PREFIX_BYTES = 5;

/** The last frame of a reply. */
export function frameTrailers(trailers: FieldBlock): Buffer {
  let text = '';
  for (const [name, value] of entriesOf(trailers)) text += `${name.toLowerCase()}: ${value}\r\n`;
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + text.length);
  frame.writeUInt8(FLAG_TRAILERS, 0);
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, PREFIX_BYTES, 'latin1');
  return frame;
}

/** The bytes in base64, with padding: they can be read at once. */
export function encodeWebText(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('base64'), 'latin1');
}

const GROUP_CHARS = 4;
const GROUP_BYTES = 3;
/** A sender flushes at most once a message; each flush costs as much as reading a kilobyte. */
const FLUSHES_MAX = 4096;
const NOT_BASE64 = /[^A-Za-z0-9+/]/;

/**
 * The bytes of a whole body in base64; null: it is not base64 in groups of four characters, or is
 * padded in more than {@link FLUSHES_MAX} places.
 */
export function decodeWebText(body: Buffer): Buffer | null {
  const text = body.toString('latin1');
  if (text.length % GROUP_CHARS !== 0) return null;
  const bytes = Buffer.allocUnsafe((text.length / GROUP_CHARS) * GROUP_BYTES);
  let length = 0;
  let flushes = 0;
  let at = 0;
  while (at < text.length) {
    flushes += 1;
    if (flushes > FLUSHES_MAX) return null;
    const mark = text.indexOf('=', at);
    const padded = mark === -1 ? text.length - GROUP_CHARS : mark - ((mark - at) % GROUP_CHARS);
    const end = padded + GROUP_CHARS;
    const piece = text.slice(at, end).replace(/==?$/, '');
    // A single character of a group says nothing.
    if (NOT_BASE64.test(piece) || piece.length % GROUP_CHARS === 1) return null;
    length += bytes.write(piece, length, 'base64');
    at = end;
  }
  return bytes.subarray(0, length);
}
