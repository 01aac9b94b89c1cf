/**
 * REQUEST_HEAD: one request without its body.
 *
 * Thread: any (both ends).
 *
 *     +0   double   when the head was read, monotonic ms
 *     +8   double   body bytes; 0: none follow; -1: not known (chunked)
 *     +16  latin1   method LF target LF peer address LF scheme (LF name LF value)*
 *
 * The text holds no LF but the separators: the guard refused every control character before.
 * One string is written and read at once because one native call each way costs less than any
 * number of small ones. Field names are lower case. With FLAG_END nothing follows.
 */
import type { ByteRingConsumer, ByteRingProducer } from '../byte-ring.js';
import { kindWithFlags, REQUEST_HEAD } from './record-kind.js';

const RECEIVED_OFFSET = 0;
const BODY_BYTES_OFFSET = 8;
const TEXT_OFFSET = 16;

/** Places of the fixed parts in the split text. */
export const HEAD_METHOD = 0;
export const HEAD_TARGET = 1;
export const HEAD_PEER = 2;
export const HEAD_SCHEME = 3;
export const HEAD_FIELDS = 4;

export interface RequestHeadFields {
  readonly index: number;
  readonly generation: number;
  readonly flags: number;
  readonly receivedMs: number;
  /** -1: not known. */
  readonly bodyBytes: number;
  readonly text: string;
}

/**
 * Behind a ring that is full with this much waiting outside of it no further request gets in line.
 * It is many reads of a socket: uploads that all come in one turn are no overload.
 */
export const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;

/** Writes the record; false when too much waits before it. */
export function tryWriteRequestHead(ring: ByteRingProducer, head: RequestHeadFields): boolean {
  const { text } = head;
  const kind = kindWithFlags(REQUEST_HEAD, head.flags);
  if (ring.backlogBytes >= BACKLOG_BYTES_MAX) return false;
  ring.claim(kind, head.index, head.generation, TEXT_OFFSET + text.length);
  const at = ring.payload;
  ring.floats[(at + RECEIVED_OFFSET) >> 3] = head.receivedMs;
  ring.floats[(at + BODY_BYTES_OFFSET) >> 3] = head.bodyBytes;
  ring.bytes.write(text, at + TEXT_OFFSET, text.length, 'latin1');
  return true;
}

/** Reads a record of which only the payload is at hand. */
export function decodeRequestHead(
  payload: Buffer,
): Pick<RequestHeadFields, 'receivedMs' | 'bodyBytes' | 'text'> {
  return {
    receivedMs: payload.readDoubleLE(RECEIVED_OFFSET),
    bodyBytes: payload.readDoubleLE(BODY_BYTES_OFFSET),
    text: payload.toString('latin1', TEXT_OFFSET),
  };
}

export function requestReceivedMs(ring: ByteRingConsumer): number {
  return ring.float(RECEIVED_OFFSET);
}

export function requestBodyBytes(ring: ByteRingConsumer): number {
  return ring.float(BODY_BYTES_OFFSET);
}

/** The head's parts: method, target, peer, scheme, then names and values in turn. */
export function requestHeadParts(ring: ByteRingConsumer): string[] {
  const start = ring.payload + TEXT_OFFSET;
  return ring.sharedBytes.toString('latin1', start, ring.payload + ring.payloadBytes).split('\n');
}
