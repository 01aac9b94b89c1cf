/**
 * The header blocks of replies.
 *
 * Thread: any (pure). RFC 9113 8.2 and 8.3.2.
 */
import type { FieldBlock } from '../../base/field-block.js';
import { REQUEST_ID_FIELD } from '../../base/request-id.js';
import { fieldNameOf } from '../hpack/field-name.js';
import { HPACK_BLOCK_EXTRA_BYTES, type HpackEncoder } from '../hpack/hpack-encoder.js';
import { encodeLines, type FieldLines } from './known-lines.js';

/** What :status and the name of X-Request-Id take at most. */
const START_BYTES = 32;
const STATUS = fieldNameOf(':status');
const REQUEST_ID = fieldNameOf(REQUEST_ID_FIELD.toLowerCase());

/** Where blocks are written, one after the other; and the lines that they are made of. */
let scratch = Buffer.allocUnsafeSlow(8 * 1024);
let lineBytes = Buffer.allocUnsafeSlow(4 * 1024);

/**
 * Room for the block of a reply with `length` bytes of lines. No line is shorter than five, and
 * none grows by more than what stands before its name and its value in a block.
 */
export function replyBlockRoom(length: number): number {
  return HPACK_BLOCK_EXTRA_BYTES + START_BYTES + 2 * length;
}

/** The lines of a block; valid until the next call in this thread. */
export function linesOf(fields: FieldBlock): FieldLines {
  const { length } = fields;
  if (length > lineBytes.length) lineBytes = Buffer.allocUnsafeSlow(2 * length);
  lineBytes.write(fields, 'latin1');
  return { bytes: lineBytes, idBytes: 0, length };
}

// Hot path (bench/gateway/http2-multiplexed): every reply.
/**
 * Writes the block of a reply, for which replyBlockRoom() is there; returns where it ends. Status
 * 0: of its trailers.
 */
export function writeReply(
  encoder: HpackEncoder,
  out: Uint8Array,
  at: number,
  { status, lines }: { readonly status: number; readonly lines: FieldLines },
): number {
  let to = encoder.begin(out, at);
  if (status > 0) to = encoder.write(out, to, STATUS, String(status));
  const { bytes, idBytes } = lines;
  if (idBytes > 0) to = encoder.write(out, to, REQUEST_ID, bytes.toString('latin1', 0, idBytes));
  return encodeLines(encoder, out, to, lines);
}

/** The same as a block of its own, which is valid until the next one is encoded in this thread. */
export function encodeReply(encoder: HpackEncoder, status: number, lines: FieldLines): Buffer {
  const room = replyBlockRoom(lines.length);
  if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(room);
  return scratch.subarray(0, writeReply(encoder, scratch, 0, { status, lines }));
}
