/**
 * Writes the replies of one connection, one after the other.
 *
 * Thread: any (pure). Bytes go into memory of the caller, at a place that it names; each method
 * that writes returns the place behind its bytes. RFC 9112 6.3 and 9.3, RFC 9110 6.6.1 and 15.
 *
 *     begin ──► writeHead ──► writeBody* ──► writeEnd
 *
 * Invariant: a client can always tell where a reply ends. One that speaks HTTP/1.0 never gets
 * chunks: a body of unknown length ends with its connection.
 */
import { assert } from '../../base/assert.js';
import { copyBytes } from '../../base/copy-bytes.js';
import { type FieldBlock, field } from '../../base/field-block.js';
import { REQUEST_ID_FIELD } from '../../base/request-id.js';
import { CR, DIGIT_0, LF } from './characters.js';
import { dateLine } from './date-line.js';
import { HTTP_1_0, HTTP_1_1, type Http1Version } from './request-head.js';
import { SWITCHING_PROTOCOLS, statusLine } from './status-line.js';

/** No body: the reply ends with its head. */
const BODY_NONE = 0;
const BODY_LENGTH = 1;
const BODY_CHUNKED = 2;
export const BODY_UNTIL_CLOSE = 3;
export type ReplyFraming =
  | typeof BODY_NONE
  | typeof BODY_LENGTH
  | typeof BODY_CHUNKED
  | typeof BODY_UNTIL_CLOSE;

/** The reply has no body by its nature, whatever its length says: to HEAD, 304. */
export const REPLY_BODILESS = 1;
/** The connection closes behind the reply. */
export const REPLY_CLOSES = 2;
/** The fields have a Date already. */
export const REPLY_DATED = 4;

/** What a head takes at most beside its text. */
export const REPLY_HEAD_EXTRA_BYTES = 384;
/** What a piece of a chunked body takes at most beside its bytes. */
export const CHUNK_EXTRA_BYTES = 18;
/** What the end of a chunked body takes beside its trailers. */
export const REPLY_END_BYTES = 5;

const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

const CONTENT_LENGTH = latin1(field('Content-Length', ''));
const CHUNKED = latin1(field('Transfer-Encoding', 'chunked'));
const CLOSE = latin1(field('Connection', 'close'));
const KEEP_ALIVE = latin1(field('Connection', 'keep-alive'));
const UPGRADE = latin1(field('Connection', 'Upgrade') + field('Upgrade', 'websocket'));
const LETTER_A = 87;

/** By the status: the first line, and the name of the field with which the text begins. */
const starts = new Map<number, Uint8Array>();

export class ReplyWriter {
  framing: ReplyFraming = BODY_NONE;
  /** Bytes of a body of known length that are not written yet. */
  left = 0;
  /** The connection closes behind the reply: asked for, or because nothing else ends the body. */
  closes = false;
  /** Of a status that has none of its own, 63 characters at most; '': none. Set behind begin(). */
  phrase = '';

  private version: Http1Version = HTTP_1_1;
  private status = 0;
  private bodyBytes = -1;
  private isDated = false;

  /**
   * The next reply. `version`: in which the request came; `bodyBytes`: of the body in all, -1:
   * not known; `flags`: REPLY_BODILESS, REPLY_CLOSES, REPLY_DATED.
   */
  begin(version: Http1Version, status: number, bodyBytes: number, flags: number): void {
    this.version = version;
    this.status = status;
    this.phrase = '';
    this.bodyBytes = bodyBytes;
    this.closes = (flags & REPLY_CLOSES) !== 0;
    this.isDated = (flags & REPLY_DATED) !== 0;
    this.framing = this.chooseFraming((flags & REPLY_BODILESS) !== 0);
    this.left = this.framing === BODY_LENGTH ? bodyBytes : 0;
    if (this.framing === BODY_UNTIL_CLOSE) this.closes = true;
  }

  private chooseFraming(isBodiless: boolean): ReplyFraming {
    const { status } = this;
    if (isBodiless || status < 200 || status === NO_CONTENT || status === NOT_MODIFIED) {
      return BODY_NONE;
    }
    if (this.bodyBytes >= 0) return BODY_LENGTH;
    return this.version === HTTP_1_0 ? BODY_UNTIL_CLOSE : BODY_CHUNKED;
  }

  // Hot path (bench/gateway/plain-get): once for every reply.
  /**
   * Writes the head, up to its empty line. `text` is the value of X-Request-Id and the field block
   * behind it; it and REPLY_HEAD_EXTRA_BYTES must have room. `unixMs`: the time of the reply.
   */
  writeHead(out: Buffer, at: number, text: Uint8Array, unixMs: number): number {
    let next = copyTo(out, at, this.phrase === '' ? startOf(this.status) : this.ownStart());
    copyBytes(text, out, next);
    next += text.length;
    if (!this.isDated) next = copyTo(out, next, dateLine(unixMs));
    next = this.writeConnection(out, this.writeFraming(out, next));
    return writeLineEnd(out, writeLineEnd(out, next));
  }

  private ownStart(): Uint8Array {
    return latin1(`HTTP/1.1 ${this.status} ${this.phrase}\r\n${REQUEST_ID_FIELD}: `);
  }

  private writeFraming(out: Buffer, at: number): number {
    const { framing, bodyBytes, status } = this;
    if (framing === BODY_CHUNKED) return copyTo(out, at, CHUNKED);
    // Of a reply without a body it is what another reply would have (RFC 9110 8.6).
    const hasLength = bodyBytes >= 0 && status >= 200 && status !== NO_CONTENT;
    if (!hasLength) return at;
    return writeNumber(out, copyTo(out, at, CONTENT_LENGTH), bodyBytes, 10);
  }

  private writeConnection(out: Buffer, at: number): number {
    if (this.status === SWITCHING_PROTOCOLS) return copyTo(out, at, UPGRADE);
    if (this.closes) return copyTo(out, at, CLOSE);
    return this.version === HTTP_1_0 ? copyTo(out, at, KEEP_ALIVE) : at;
  }

  /** Writes a piece of the body; it needs CHUNK_EXTRA_BYTES more room than its bytes. */
  writeBody(out: Buffer, at: number, bytes: Uint8Array): number {
    const next = this.writePieceStart(out, at, bytes.length);
    copyBytes(bytes, out, next);
    return this.writePieceEnd(out, next + bytes.length);
  }

  /** What stands before a piece of `bytes` that is sent from where it lies. */
  writePieceStart(out: Buffer, at: number, bytes: number): number {
    if (this.framing === BODY_LENGTH) {
      this.left -= bytes;
      assert(this.left >= 0, 'a body is as long as its head says');
    }
    if (this.framing !== BODY_CHUNKED || bytes === 0) return at;
    return writeLineEnd(out, writeNumber(out, at, bytes, 16));
  }

  /** What stands behind it. A piece without bytes must not be written. */
  writePieceEnd(out: Buffer, at: number): number {
    return this.framing === BODY_CHUNKED ? writeLineEnd(out, at) : at;
  }

  /**
   * Writes the end of a body whose length was not known, with fields behind it. Where the framing
   * has no place for trailers they are dropped. Needs REPLY_END_BYTES and room for the fields.
   */
  writeEnd(out: Buffer, at: number, trailers: FieldBlock): number {
    if (this.framing !== BODY_CHUNKED) return at;
    out[at] = DIGIT_0;
    const next = at + 1 + out.write(trailers, at + 1, 'latin1');
    return writeLineEnd(out, writeLineEnd(out, next));
  }
}

/** A head before that of the reply (RFC 9110 15.2). Never for a client of HTTP/1.0. */
export function interimHead(status: number, fields: FieldBlock): string {
  return `HTTP/1.1 ${statusLine(status)}${fields}\r\n\r\n`;
}

function latin1(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

function startOf(status: number): Uint8Array {
  const known = starts.get(status);
  if (known !== undefined) return known;
  const start = latin1(`HTTP/1.1 ${statusLine(status)}\r\n${REQUEST_ID_FIELD}: `);
  starts.set(status, start);
  return start;
}

function copyTo(out: Buffer, at: number, bytes: Uint8Array): number {
  out.set(bytes, at);
  return at + bytes.length;
}

function writeLineEnd(out: Buffer, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}

function writeNumber(out: Buffer, at: number, value: number, radix: 10 | 16): number {
  let digits = 1;
  for (let rest = Math.floor(value / radix); rest > 0; rest = Math.floor(rest / radix)) digits++;
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    const digit = rest % radix;
    out[place] = digit + (digit < 10 ? DIGIT_0 : LETTER_A);
    rest = Math.floor(rest / radix);
  }
  return at + digits;
}
