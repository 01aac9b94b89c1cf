/**
 * REQUEST_HEAD: one request without its body.
 *
 * Thread: any (both ends).
 *
 *     +0   double   when the head was read, monotonic ms
 *     +8   double   body bytes; 0: none follow; -1: not known
 *     +16  double   number of the head; 0: it has none
 *     +24  int      protocol | listener << 8 | 1 << 16 if the client waits for 100
 *                   | 1 << 17 if it asks for a tunnel
 *                   | units of the reply's window << 18
 *     +28  latin1   method LF target LF peer address LF connection (LF name LF value)*
 *
 *     connection: "http", or "https" TAB server name TAB certificate
 *
 * A head with a number is, byte for byte, the one that had this number on this lane before, and it
 * came over the same connection. Numbers begin anew with another acceptor, which has fresh memory.
 *
 * The listener is its place in the configuration. The server name is the one of the TLS handshake
 * (SNI); the certificate is what the client's said of itself, as the engine writes it. Both are
 * empty where there is none.
 *
 * The text holds no LF but the separators: the guard refused every control character before.
 * One string is written and read at once because one native call each way costs less than any
 * number of small ones. Field names are lower case. With FLAG_END nothing follows.
 */
import type { ByteRingConsumer, ByteRingProducer } from '../byte-ring.js';
import { WINDOW_BYTES, WINDOW_UNIT_BYTES } from '../lane.js';
import { kindWithFlags } from '../record-header.js';
import { FLAG_END, REQUEST_HEAD } from './record-kind.js';

const RECEIVED_OFFSET = 0;
const BODY_BYTES_OFFSET = 8;
const NUMBER_OFFSET = 16;
const ORIGIN_OFFSET = 24;
const TEXT_OFFSET = 28;
const PROTOCOL_MASK = 0xff;
const LISTENER_SHIFT = 8;
const LISTENER_MASK = 0xff;
const EXPECTS_BIT = 1 << 16;
const TUNNEL_BIT = 1 << 17;
const WINDOW_SHIFT = 18;

/** The version of HTTP that a request came in. */
export const PROTOCOL_HTTP_1_0 = 10 as const;
export const PROTOCOL_HTTP_1_1 = 11 as const;
export const PROTOCOL_HTTP_2 = 20 as const;
export type HttpProtocol =
  | typeof PROTOCOL_HTTP_1_0
  | typeof PROTOCOL_HTTP_1_1
  | typeof PROTOCOL_HTTP_2;

/** Places of the fixed parts in the split text. */
export const HEAD_METHOD = 0;
export const HEAD_TARGET = 1;
export const HEAD_PEER = 2;
export const HEAD_CONNECTION = 3;
export const HEAD_FIELDS = 4;

/** The part at HEAD_CONNECTION of a connection without TLS. */
export const PLAIN_CONNECTION = 'http';

/** The part at HEAD_CONNECTION of a connection with TLS. Neither text holds TAB, CR or LF. */
export function secureConnection(serverName: string, certificate: string): string {
  return `https\t${serverName}\t${certificate}`;
}

/** What the part at HEAD_CONNECTION says. */
export interface ConnectionFacts {
  readonly scheme: 'http' | 'https';
  readonly serverName: string;
  readonly certificate: string;
}

const PLAIN_FACTS: ConnectionFacts = { scheme: 'http', serverName: '', certificate: '' };

export function connectionFacts(part: string): ConnectionFacts {
  if (part === PLAIN_CONNECTION) return PLAIN_FACTS;
  const [, serverName = '', certificate = ''] = part.split('\t');
  return { scheme: 'https', serverName, certificate };
}

/** What the acceptor says of a new request. */
export interface NewRequest {
  /** When the head was read, on the monotonic clock. */
  readonly receivedMs: number;
  /** 0: no body follows; -1: not known. */
  readonly bodyBytes: number;
  readonly protocol: HttpProtocol;
  /** 0 to 255: place of the listener in the configuration. */
  readonly listener: number;
  /** The client waits for 100 (Continue) before it sends the body (RFC 9110 10.1.1). */
  readonly expectsContinue: boolean;
  /**
   * The client asks for a WebSocket: by Upgrade (RFC 6455 4.1), or by an extended CONNECT (RFC 8441
   * 4), which comes as the GET that it stands for. It has no body, and the head of its reply may
   * open a tunnel (FLAG_TUNNEL). Any other reply is an ordinary one.
   */
  readonly wantsTunnel: boolean;
  /**
   * Bytes of the reply that may be sent before the client has taken any: a multiple of
   * WINDOW_UNIT_BYTES. Absent: WINDOW_BYTES.
   */
  readonly replyWindow?: number;
  /** The same for the same head of the same connection, and for no other. Absent or 0: none. */
  readonly headNumber?: number;
  /** The text of the record: the fixed parts, then names and values, joined by LF. */
  readonly text: string;
}

/**
 * Behind a ring that is full with this much waiting outside of it no further request gets in line.
 * It is many reads of a socket: uploads that all come in one turn are no overload.
 */
export const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;

/** Writes the record; false when too much waits before it. */
export function tryWriteRequestHead(
  ring: ByteRingProducer,
  index: number,
  generation: number,
  request: NewRequest,
): boolean {
  const { bodyBytes, text, headNumber = 0 } = request;
  if (ring.backlogBytes >= BACKLOG_BYTES_MAX) return false;
  const kind = kindWithFlags(REQUEST_HEAD, bodyBytes === 0 ? FLAG_END : 0);
  ring.claim(kind, index, generation, TEXT_OFFSET + text.length);
  const at = ring.payload;
  ring.floats[(at + RECEIVED_OFFSET) >> 3] = request.receivedMs;
  ring.floats[(at + BODY_BYTES_OFFSET) >> 3] = bodyBytes;
  ring.floats[(at + NUMBER_OFFSET) >> 3] = headNumber;
  ring.ints[(at + ORIGIN_OFFSET) >> 2] = originOf(request);
  ring.bytes.write(text, at + TEXT_OFFSET, text.length, 'latin1');
  return true;
}

function originOf(request: NewRequest): number {
  const { protocol, listener, expectsContinue, wantsTunnel } = request;
  const { replyWindow = WINDOW_BYTES } = request;
  const flags = (expectsContinue ? EXPECTS_BIT : 0) | (wantsTunnel ? TUNNEL_BIT : 0);
  const units = replyWindow / WINDOW_UNIT_BYTES;
  return protocol | (listener << LISTENER_SHIFT) | flags | (units << WINDOW_SHIFT);
}

/** Reads the payload of a record that no worker will read any more; its head has no number then. */
export function decodeRequestHead(payload: Buffer): NewRequest {
  const origin = payload.readInt32LE(ORIGIN_OFFSET);
  return {
    receivedMs: payload.readDoubleLE(RECEIVED_OFFSET),
    bodyBytes: payload.readDoubleLE(BODY_BYTES_OFFSET),
    protocol: (origin & PROTOCOL_MASK) as HttpProtocol,
    listener: (origin >>> LISTENER_SHIFT) & LISTENER_MASK,
    expectsContinue: (origin & EXPECTS_BIT) !== 0,
    wantsTunnel: (origin & TUNNEL_BIT) !== 0,
    replyWindow: (origin >>> WINDOW_SHIFT) * WINDOW_UNIT_BYTES,
    text: payload.toString('latin1', TEXT_OFFSET),
  };
}

export function requestReceivedMs(ring: ByteRingConsumer): number {
  return ring.float(RECEIVED_OFFSET);
}

export function requestBodyBytes(ring: ByteRingConsumer): number {
  return ring.float(BODY_BYTES_OFFSET);
}

/** 0: it has none. */
export function requestHeadNumber(ring: ByteRingConsumer): number {
  return ring.float(NUMBER_OFFSET);
}

export function requestProtocol(ring: ByteRingConsumer): HttpProtocol {
  return (ring.int(ORIGIN_OFFSET) & PROTOCOL_MASK) as HttpProtocol;
}

export function requestListener(ring: ByteRingConsumer): number {
  return (ring.int(ORIGIN_OFFSET) >>> LISTENER_SHIFT) & LISTENER_MASK;
}

export function requestExpectsContinue(ring: ByteRingConsumer): boolean {
  return (ring.int(ORIGIN_OFFSET) & EXPECTS_BIT) !== 0;
}

export function requestWantsTunnel(ring: ByteRingConsumer): boolean {
  return (ring.int(ORIGIN_OFFSET) & TUNNEL_BIT) !== 0;
}

export function requestReplyWindow(ring: ByteRingConsumer): number {
  return (ring.int(ORIGIN_OFFSET) >>> WINDOW_SHIFT) * WINDOW_UNIT_BYTES;
}

/** The head's parts: the fixed ones by their places, then names and values in turn. */
export function requestHeadParts(ring: ByteRingConsumer): string[] {
  const start = ring.payload + TEXT_OFFSET;
  return ring.sharedBytes.toString('latin1', start, ring.payload + ring.payloadBytes).split('\n');
}
