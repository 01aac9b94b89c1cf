/**
 * RESPONSE_HEAD: status and fields of a reply, and as much of its body as was there already.
 *
 * Thread: any (both ends).
 *
 *     +0   double   body bytes in all; -1: not known
 *     +8   int      status
 *     +12  int      bytes of the field block
 *     +16  latin1   field block: request id (CRLF name ": " value)*
 *     …    bytes    the body, or its first part
 *
 * The block begins with the value of X-Request-Id, which every reply carries: the listener writes
 * that name and then the whole block as if it were its value. With FLAG_END the body is complete
 * in this record. With FLAG_BODILESS the body bytes are what Content-Length announces (HEAD).
 */
import { assert } from '../../base/assert.js';
import { copyBytes } from '../../base/copy-bytes.js';
import type { ByteRingConsumer, ByteRingProducer } from '../byte-ring.js';
import { kindWithFlags, RESPONSE_HEAD } from './record-kind.js';

const BODY_BYTES_OFFSET = 0;
const STATUS_OFFSET = 8;
const BLOCK_BYTES_OFFSET = 12;
const BLOCK_OFFSET = 16;

/** The name whose value begins the field block. */
export const REQUEST_ID_FIELD = 'X-Request-Id';

export interface ResponseHeadFields {
  readonly index: number;
  readonly generation: number;
  readonly flags: number;
  readonly status: number;
  /** -1: not known. */
  readonly bodyBytes: number;
  /** Latin-1 only: a character is a byte. */
  readonly block: string;
}

/** Writes the record with the first part of the body (or null). Queues when the ring is full. */
export function writeResponseHead(
  ring: ByteRingProducer,
  head: ResponseHeadFields,
  body: Uint8Array | null,
): void {
  const { block } = head;
  claim(ring, head, block.length + (body === null ? 0 : body.length));
  ring.bytes.write(block, ring.payload + BLOCK_OFFSET, block.length, 'latin1');
  if (body !== null) copyBytes(body, ring.bytes, ring.payload + BLOCK_OFFSET + block.length);
}

/** The same with a body of ASCII alone: it is written together with the block. */
export function writeTextReply(
  ring: ByteRingProducer,
  head: ResponseHeadFields,
  body: string,
): void {
  const text = head.block + body;
  claim(ring, head, text.length);
  ring.bytes.write(text, ring.payload + BLOCK_OFFSET, text.length, 'latin1');
}

function claim(ring: ByteRingProducer, head: ResponseHeadFields, bytes: number): void {
  const kind = kindWithFlags(RESPONSE_HEAD, head.flags);
  ring.claim(kind, head.index, head.generation, BLOCK_OFFSET + bytes);
  const at = ring.payload;
  ring.floats[(at + BODY_BYTES_OFFSET) >> 3] = head.bodyBytes;
  ring.ints[(at + STATUS_OFFSET) >> 2] = head.status;
  ring.ints[(at + BLOCK_BYTES_OFFSET) >> 2] = head.block.length;
}

export function responseStatus(ring: ByteRingConsumer): number {
  return ring.int(STATUS_OFFSET);
}

export function responseBodyBytes(ring: ByteRingConsumer): number {
  return ring.float(BODY_BYTES_OFFSET);
}

/** What the record says of itself must not let anybody see bytes of another one. */
function blockBytes(ring: ByteRingConsumer): number {
  const bytes = ring.int(BLOCK_BYTES_OFFSET);
  assert(bytes >= 0 && bytes <= ring.payloadBytes - BLOCK_OFFSET, 'the block lies in its record');
  return bytes;
}

/** A view of the field block, valid inside the record handler only. */
export function responseBlock(ring: ByteRingConsumer): Uint8Array {
  const start = ring.payload + BLOCK_OFFSET;
  return ring.sharedBytes.subarray(start, start + blockBytes(ring));
}

/** A view of the body part in the record, valid inside the record handler only. */
export function responseInlineBody(ring: ByteRingConsumer): Uint8Array {
  const start = ring.payload + BLOCK_OFFSET + blockBytes(ring);
  return ring.sharedBytes.subarray(start, ring.payload + ring.payloadBytes);
}
