/**
 * The kinds of records that travel on a lane, and their flags.
 *
 * Thread: any (both ends). The header of a record (byte-ring.ts) carries kind, flags, exchange
 * index and generation; the payloads are described in the files beside this one.
 *
 *     acceptor → worker                           worker → acceptor
 *     REQUEST_HEAD      see request-head.ts       RESPONSE_HEAD      see response-head.ts
 *     REQUEST_BODY      the bytes                 RESPONSE_BODY      the bytes
 *                                                 RESPONSE_BLOCK     a piece of the body that
 *                                                     lies in a block: +0 where, +4 how many bytes
 *     REQUEST_END       empty                     RESPONSE_END       empty
 *     REQUEST_TRAILERS  see field-records.ts      RESPONSE_TRAILERS  see field-records.ts
 *                                                 RESPONSE_INTERIM   see field-records.ts
 *     REQUEST_ABORT     empty: it is over         RESPONSE_ABORT     empty: close the client
 *     TUNNEL_UP         the bytes                 TUNNEL_DOWN        the bytes
 *     TUNNEL_END        empty                     TUNNEL_END         empty
 *     WINDOW            +0 bytes given back       WINDOW             +0 bytes given back
 *     REQUEST_REPEATS   see repeat-records.ts     RESPONSE_HOLDS     see repeat-records.ts
 *                                                 CONVERSATION       empty: the body is one side of
 *                                                     a conversation, and may come at any pace
 *
 * A body ends in exactly one way: FLAG_END on its last record, or END, or TRAILERS.
 *
 * A RESPONSE_HEAD with FLAG_TUNNEL turns its exchange into a tunnel: from there on TUNNEL_UP and
 * TUNNEL_DOWN carry bytes of which the gateway knows nothing, under the windows of bodies. Each
 * side says TUNNEL_END once, when it will send no more bytes (a half-close); the exchange is over
 * when both have said so, or one of them aborts. Only of what goes down is told where frames end
 * (FLAG_BORDER): should the worker die there, its client is told so (RFC 6455 7.4, 1012).
 */
import { copyBytes } from '../../base/copy-bytes.js';
import type { ByteRingProducer } from '../byte-ring.js';
import { kindWithFlags } from '../record-header.js';

export const REQUEST_HEAD = 1;
export const REQUEST_BODY = 2;
export const REQUEST_END = 3;
export const REQUEST_TRAILERS = 4;
export const REQUEST_ABORT = 5;
export const RESPONSE_HEAD = 6;
export const RESPONSE_BODY = 7;
export const RESPONSE_BLOCK = 8;
export const RESPONSE_END = 9;
export const RESPONSE_TRAILERS = 10;
export const RESPONSE_INTERIM = 11;
export const RESPONSE_ABORT = 12;
export const WINDOW = 13;
export const TUNNEL_UP = 14;
export const TUNNEL_DOWN = 15;
export const TUNNEL_END = 16;
export const REQUEST_REPEATS = 17;
export const RESPONSE_HOLDS = 18;
export const CONVERSATION = 19;

/** What a worker reads. */
export type RequestRecordKind =
  | typeof REQUEST_HEAD
  | typeof REQUEST_BODY
  | typeof REQUEST_END
  | typeof REQUEST_TRAILERS
  | typeof REQUEST_ABORT
  | typeof REQUEST_REPEATS
  | typeof TUNNEL_UP
  | typeof TUNNEL_END
  | typeof WINDOW;

/** What the acceptor reads. */
export type ReplyRecordKind =
  | typeof RESPONSE_HEAD
  | typeof RESPONSE_BODY
  | typeof RESPONSE_BLOCK
  | typeof RESPONSE_END
  | typeof RESPONSE_TRAILERS
  | typeof RESPONSE_INTERIM
  | typeof RESPONSE_ABORT
  | typeof RESPONSE_HOLDS
  | typeof CONVERSATION
  | typeof TUNNEL_DOWN
  | typeof TUNNEL_END
  | typeof WINDOW;

/** Nothing follows for this exchange in this direction. */
export const FLAG_END = 1;
/** A RESPONSE_HEAD whose reply has no body by its nature: to HEAD, 204, 304. */
export const FLAG_BODILESS = 2;
/** A REQUEST_ABORT of a request that the acceptor has answered, counted and recorded itself. */
export const FLAG_ANSWERED = 4;
/** A REQUEST_ABORT of a request that the gateway has cut off, since it ends. */
export const FLAG_CUT = 8;
/** A RESPONSE_HEAD behind which the exchange is a tunnel. */
export const FLAG_TUNNEL = 16;

/** A TUNNEL_DOWN behind whose bytes the worker could put a frame of its own. */
export const FLAG_BORDER = 32;

/** Writes a record without a payload. It is never lost: it queues when the ring is full. */
export function writeBare(
  ring: ByteRingProducer,
  kind: number,
  index: number,
  generation: number,
): void {
  ring.claim(kind, index, generation, 0);
}

/** Writes a WINDOW record: the sender may send `bytes` more. */
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
