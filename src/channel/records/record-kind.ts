/**
 * The kinds of records that travel on a lane, and their flags.
 *
 * Thread: any (both ends). The header of a record (byte-ring.ts) carries kind, flags, exchange
 * index and generation; the payloads are described in the files beside this one.
 *
 *     acceptor → worker                        worker → acceptor
 *     REQUEST_HEAD   see request-head.ts       RESPONSE_HEAD  see response-head.ts
 *     REQUEST_BODY   the bytes                 RESPONSE_BODY  the bytes
 *     REQUEST_END    empty                     RESPONSE_END   empty
 *     REQUEST_ABORT  empty: it is over         RESPONSE_ABORT empty: close the client
 *     WINDOW         +0 bytes given back       WINDOW         +0 bytes given back
 *                                              RESPONSE_BLOCK a piece of the body that lies in a
 *                                                             block: +0 where, +4 how many bytes
 *
 * Kinds below 32; trailers and 1xx heads get kinds of their own when a listener can carry them.
 */
import { copyBytes } from '../../base/copy-bytes.js';
import type { ByteRingProducer } from '../byte-ring.js';

export const REQUEST_HEAD = 1;
export const REQUEST_BODY = 2;
export const REQUEST_END = 3;
export const REQUEST_ABORT = 4;
export const RESPONSE_HEAD = 5;
export const RESPONSE_BODY = 6;
export const RESPONSE_END = 7;
export const RESPONSE_ABORT = 8;
export const WINDOW = 9;
export const RESPONSE_BLOCK = 10;

/** Nothing follows for this exchange in this direction. */
export const FLAG_END = 1;
/** A RESPONSE_HEAD whose reply has no body by its nature: to HEAD, 204, 304. */
export const FLAG_BODILESS = 2;
/** A REQUEST_ABORT of a request that the acceptor has answered, counted and recorded itself. */
export const FLAG_ANSWERED = 4;

/** A REQUEST_ABORT of a request that the gateway has cut off, since it ends. */
export const FLAG_CUT = 8;

/** Kind and flags as the header word has them. */
export function kindWithFlags(kind: number, flags: number): number {
  return kind | (flags << 8);
}

/** Writes a record without a payload. It is never lost: it queues when the ring is full. */
export function writeBare(
  ring: ByteRingProducer,
  kind: number,
  index: number,
  generation: number,
): void {
  ring.claim(kind, index, generation, 0);
}

/** Writes a WINDOW record: the sender may send so many more bytes. */
export function writeWindow(
  ring: ByteRingProducer,
  index: number,
  generation: number,
  bytes: number,
): void {
  ring.claim(WINDOW, index, generation, 8);
  ring.ints[ring.payload >> 2] = bytes;
}

/** Writes that a piece of a body lies in a block, which it holds until the record was read. */
export function writeBodyPosition(
  ring: ByteRingProducer,
  flags: number,
  index: number,
  generation: number,
  { byteOffset, length }: Uint8Array,
): void {
  ring.claim(kindWithFlags(RESPONSE_BLOCK, flags), index, generation, 8);
  const word = ring.payload >> 2;
  ring.ints[word] = byteOffset;
  ring.ints[word + 1] = length;
}

/** Writes a piece of a body; at most BODY_RECORD_BYTES_MAX of it. */
export function writeBody(
  ring: ByteRingProducer,
  kindAndFlags: number,
  index: number,
  generation: number,
  chunk: Uint8Array,
): void {
  ring.claim(kindAndFlags, index, generation, chunk.length);
  copyBytes(chunk, ring.bytes, ring.payload);
}
