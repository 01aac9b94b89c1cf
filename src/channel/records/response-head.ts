/**
 * RESPONSE_HEAD: status and fields of a reply, and as much of its body as was there already.
 *
 * Thread: any (both ends).
 *
 *     +0   double   body bytes in all; -1: not known
 *     +8   int      status | bytes of the phrase << 10 | bytes of the request id << 16
 *     +12  int      bytes of the field block
 *     +16  latin1   phrase, of a status that has none of its own
 *     …    latin1   request id
 *     …    latin1   field block, see base/field-block.ts
 *     …    bytes    the body, or its first part
 *
 * A Date that the target wrote is the last field of the block: see endsInDate(). The id is the
 * value of X-Request-Id, which every reply carries and the block does not hold. With
 * FLAG_END the body is complete in this record. With FLAG_BODILESS the body bytes are what
 * Content-Length announces (HEAD).
 */
import { assert } from '../../base/assert.js';
import { copyBytes } from '../../base/copy-bytes.js';
import { type FieldBlock, field } from '../../base/field-block.js';
import type { ByteRingConsumer, ByteRingProducer } from '../byte-ring.js';
import { kindWithFlags } from '../record-header.js';
import { RESPONSE_HEAD } from './record-kind.js';

const BODY_BYTES_OFFSET = 0;
const STATUS_OFFSET = 8;
const BLOCK_BYTES_OFFSET = 12;
const TEXT_OFFSET = 16;
const STATUS_MASK = 0x3ff;
const PHRASE_BYTES_SHIFT = 10;
const PHRASE_BYTES_MASK = 0x3f;
const ID_BYTES_SHIFT = 16;

export interface ResponseHeadFields {
  readonly index: number;
  readonly generation: number;
  readonly flags: number;
  readonly status: number;
  /** -1: not known. */
  readonly bodyBytes: number;
  /** Absent or '': that of the status. More than 63 characters are cut. */
  readonly phrase?: string;
  /** As base/request-id.ts makes it or lets it pass. */
  readonly requestId: string;
  readonly block: FieldBlock;
}

/** Writes the record with the first part of the body (or null). Queues when the ring is full. */
export function writeResponseHead(
  ring: ByteRingProducer,
  head: ResponseHeadFields,
  body: Uint8Array | null,
): void {
  const phrase = phraseOf(head);
  const text = phrase + head.requestId + head.block;
  claim(ring, head, phrase.length, text.length + (body === null ? 0 : body.length));
  ring.bytes.write(text, ring.payload + TEXT_OFFSET, text.length, 'latin1');
  if (body !== null) copyBytes(body, ring.bytes, ring.payload + TEXT_OFFSET + text.length);
}

/** The same with a body of ASCII alone: it is written together with the head. */
export function writeTextReply(
  ring: ByteRingProducer,
  head: ResponseHeadFields,
  body: string,
): void {
  const phrase = phraseOf(head);
  const text = phrase + head.requestId + head.block + body;
  claim(ring, head, phrase.length, text.length);
  ring.bytes.write(text, ring.payload + TEXT_OFFSET, text.length, 'latin1');
}

function phraseOf({ phrase }: ResponseHeadFields): string {
  return phrase === undefined || phrase === '' ? '' : phrase.slice(0, PHRASE_BYTES_MASK);
}

function claim(
  ring: ByteRingProducer,
  head: ResponseHeadFields,
  phraseBytes: number,
  bytes: number,
): void {
  const kind = kindWithFlags(RESPONSE_HEAD, head.flags);
  ring.claim(kind, head.index, head.generation, TEXT_OFFSET + bytes);
  const at = ring.payload;
  ring.floats[(at + BODY_BYTES_OFFSET) >> 3] = head.bodyBytes;
  ring.ints[(at + STATUS_OFFSET) >> 2] =
    head.status | (phraseBytes << PHRASE_BYTES_SHIFT) | (head.requestId.length << ID_BYTES_SHIFT);
  ring.ints[(at + BLOCK_BYTES_OFFSET) >> 2] = head.block.length;
}

export function responseStatus(ring: ByteRingConsumer): number {
  return ring.int(STATUS_OFFSET) & STATUS_MASK;
}

function phraseBytes(ring: ByteRingConsumer): number {
  return (ring.int(STATUS_OFFSET) >>> PHRASE_BYTES_SHIFT) & PHRASE_BYTES_MASK;
}

/** '': the phrase is that of the status. */
export function responsePhrase(ring: ByteRingConsumer): string {
  const bytes = phraseBytes(ring);
  if (bytes === 0) return '';
  textBytes(ring);
  const start = ring.payload + TEXT_OFFSET;
  const { buffer, byteOffset } = ring.sharedBytes;
  return Buffer.from(buffer, byteOffset + start, bytes).toString('latin1');
}

export function responseBodyBytes(ring: ByteRingConsumer): number {
  return ring.float(BODY_BYTES_OFFSET);
}

/** Bytes of the request id, which stands at the start of {@link responseText}. */
export function responseIdBytes(ring: ByteRingConsumer): number {
  return ring.int(STATUS_OFFSET) >>> ID_BYTES_SHIFT;
}

/** What the record says of itself must not let anybody see bytes of another one. */
function textBytes(ring: ByteRingConsumer): number {
  const blockBytes = ring.int(BLOCK_BYTES_OFFSET);
  const bytes = responseIdBytes(ring) + blockBytes;
  const room = ring.payloadBytes - TEXT_OFFSET - phraseBytes(ring);
  const isInside = blockBytes >= 0 && bytes <= room;
  assert(isInside, 'the id and the fields lie in their record');
  return bytes;
}

/** A view of the request id and the field block, valid inside the record handler only. */
export function responseText(ring: ByteRingConsumer): Uint8Array {
  const start = ring.payload + TEXT_OFFSET + phraseBytes(ring);
  return ring.sharedBytes.subarray(start, start + textBytes(ring));
}

/** A view of the body part in the record, valid inside the record handler only. */
export function responseInlineBody(ring: ByteRingConsumer): Uint8Array {
  const start = ring.payload + TEXT_OFFSET + phraseBytes(ring) + textBytes(ring);
  return ring.sharedBytes.subarray(start, ring.payload + ring.payloadBytes);
}

/** Where Date begins that stands at the end of a block: CRLF, its name, colon, blank, its value. */
const DATE_BYTES = 37;
const DATE_START = Buffer.from(field('date', ''), 'latin1');

// Hot path (bench/gateway/plain-get): once for every reply.
/** Whether {@link responseText} ends in the target's Date. CRLF is where fields begin, only. */
export function endsInDate(text: Uint8Array): boolean {
  const start = text.length - DATE_BYTES;
  if (start < 0) return false;
  for (let at = 0; at < DATE_START.length; at += 1) {
    if (text[start + at] !== DATE_START[at]) return false;
  }
  return true;
}

/** The text without the target's Date, for an engine that writes one in any case. */
export function withoutDate(text: Uint8Array): Uint8Array {
  return endsInDate(text) ? text.subarray(0, text.length - DATE_BYTES) : text;
}
