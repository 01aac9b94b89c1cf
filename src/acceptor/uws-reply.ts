/**
 * Writes one reply to a uWebSockets.js response, whatever the speed of the client.
 *
 * Thread: acceptor. Owns the bytes that the client has not taken yet: at most a window of them,
 * since the worker stops without credit.
 *
 * Three shapes, since the library does not let one take another's place:
 * whole (`end`), known length (`tryEnd`, which says how much it took), and chunked (`write`).
 * Chunked pieces stay below the cork buffer and each has its own cork: larger ones can be lost
 * under back-pressure in older cores.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { copyOfBytes } from '../base/copy-bytes.js';
import { REQUEST_ID_FIELD } from '../base/request-id.js';
import { WINDOW_CREDIT_BYTES } from '../channel/lane.js';
import { FLAG_BODILESS, FLAG_END } from '../channel/records/record-kind.js';
import type { ResponseHead } from './in-flight-table.js';
import { statusLine } from './status-line.js';

/** What surely fits the 16 KiB cork buffer. */
const CORKED_BYTES = 15_000;
/** What a socket always takes: a shorter reply cannot get stuck before its last byte. */
const TAIL_TOTAL_BYTES_MIN = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const NOTHING = (): void => {};

/** What becomes of the connection behind a reply. */
export type ReplyClosing =
  | 'none'
  /** The client is told that the connection closes. */
  | 'announced'
  /** And nothing more is read from it, as what follows the request cannot be trusted. */
  | 'deaf';

export interface ReplyListener {
  /** The reply is complete as far as the gateway is concerned. */
  onDone(): void;
  /** The client's side took so many more bytes; called for every WINDOW_CREDIT_BYTES. */
  onSent(bytes: number): void;
  /** The socket takes no more. The library reads and writes again, paused or not. */
  onBlocked(): void;
  /** All that was held is with the socket now. */
  onUnblocked(): void;
}

export class UwsReply {
  /** The head is out. */
  isStarted = false;
  /** Complete, cut off, or the client is gone: the response handle must not be used. */
  isOver = false;
  /** The client's side takes no more for now. */
  isBlocked = false;

  private isChunked = false;
  private closing: ReplyClosing = 'none';
  private total = 0;
  /** Body bytes handed to the library in whole chunks. */
  private offset = 0;
  private held: Uint8Array[] = [];
  private isEndHeld = false;
  private uncredited = 0;

  constructor(
    private readonly res: HttpResponse,
    private readonly listener: ReplyListener,
  ) {}

  // Hot path: once for every reply.
  sendHead(head: ResponseHead, closing: ReplyClosing): void {
    this.isStarted = true;
    this.closing = closing;
    this.res.cork(() => this.writeHead(head));
    if (!this.isChunked) return;
    this.sendBody(head.inlineBody.subarray(this.offset), (head.flags & FLAG_END) !== 0);
  }

  private writeHead(head: ResponseHead): void {
    const { res } = this;
    const { flags, inlineBody, text } = head;
    const isEnd = (flags & FLAG_END) !== 0;
    const isCorkable = text.length + inlineBody.length <= CORKED_BYTES;
    res.writeStatus(statusLine(head.status));
    // The block continues the line of the id as an HTTP/1.1 head does: one call for all of it.
    res.writeHeader(REQUEST_ID_FIELD, text);
    if ((flags & FLAG_BODILESS) !== 0) {
      this.endBodiless(head.bodyBytes);
    } else if (isEnd && isCorkable) {
      this.markOver();
      res.end(inlineBody, this.closing !== 'none');
      this.listener.onDone();
    } else if (head.bodyBytes > 0) {
      this.total = head.bodyBytes;
      this.announceClosing();
      this.watchWritable();
      if (inlineBody.length > 0) this.writeKnown(inlineBody);
    } else {
      this.isChunked = true;
      this.announceClosing();
      this.watchWritable();
      if (inlineBody.length > 0 && isCorkable) this.writePiece(inlineBody);
    }
  }

  private endBodiless(contentLength: number): void {
    const { res } = this;
    this.markOver();
    this.announceClosing();
    if (contentLength >= 0) res.writeHeader('Content-Length', String(contentLength));
    this.stopReading();
    res.endWithoutBody();
    this.listener.onDone();
  }

  /**
   * `end` can close the connection, but says so where it stands: behind a body that has begun, in
   * the middle of the framing. So a longer reply says it in its head and leaves the closing to the
   * client; one that waits too long meets the library's idle timer.
   */
  private announceClosing(): void {
    if (this.closing !== 'none') this.res.writeHeader('Connection', 'close');
  }

  /** Just before the end: a write that fails makes the library read again. */
  private stopReading(): void {
    if (this.closing === 'deaf') this.res.pause();
  }

  private watchWritable(): void {
    this.res.onWritable((offset) => this.onWritable(offset));
  }

  sendBody(chunk: Uint8Array, isLast: boolean): void {
    if (this.isOver) return;
    if (this.isBlocked) {
      if (chunk.length > 0) this.held.push(copyOfBytes(chunk));
    } else if (this.isChunked) {
      this.writeChunked(chunk);
    } else if (this.isTail(chunk)) {
      this.res.cork(() => this.writeKnown(chunk.subarray(0, -1)));
      this.sendBody(chunk.subarray(-1), isLast);
    } else if (chunk.length > 0) {
      this.res.cork(() => this.writeKnown(chunk));
    }
    if (isLast) this.sendEnd();
  }

  /**
   * The library counts a small piece as sent that it only keeps for a full socket. Were that the
   * last one, the reply would be over for it, and a client that takes no more for ten seconds would
   * be cut off. The last byte for itself is refused instead, and waits here.
   */
  private isTail(chunk: Uint8Array): boolean {
    const isLast = this.offset + chunk.length === this.total;
    return isLast && chunk.length > 1 && this.total > TAIL_TOTAL_BYTES_MIN;
  }

  sendEnd(): void {
    if (this.isOver || !this.isChunked) return;
    if (this.isBlocked) {
      this.isEndHeld = true;
      return;
    }
    this.markOver();
    this.res.cork(() => {
      this.stopReading();
      this.res.end('');
    });
    this.listener.onDone();
  }

  abort(): void {
    if (this.isOver) return;
    this.markOver();
    this.res.close();
    this.listener.onDone();
  }

  /**
   * Hands over a chunk of a reply with known length; the part not taken is held. `isOwn`: the bytes
   * were copied before, and stay what they are.
   */
  private writeKnown(chunk: Uint8Array, isOwn = false): boolean {
    if (this.offset + chunk.length === this.total) this.stopReading();
    const [isTaken, isDone] = this.res.tryEnd(chunk, this.total);
    if (isDone) {
      this.markOver();
      this.listener.onDone();
      return true;
    }
    if (isTaken) {
      this.offset += chunk.length;
      this.credit(chunk.length);
      return true;
    }
    this.block();
    const taken = this.res.getWriteOffset() - this.offset;
    this.offset += taken;
    this.credit(taken);
    this.holdFirst(chunk.subarray(taken), isOwn);
    return false;
  }

  /** Hands over a chunk in small pieces; what comes after a blocked piece is held. */
  private writeChunked(chunk: Uint8Array, isOwn = false): void {
    let at = 0;
    while (at < chunk.length && !this.isBlocked) {
      const piece = chunk.subarray(at, at + CORKED_BYTES);
      this.res.cork(() => this.writePiece(piece));
      at += piece.length;
    }
    if (at < chunk.length) this.holdFirst(chunk.subarray(at), isOwn);
  }

  private holdFirst(rest: Uint8Array, isOwn: boolean): void {
    this.held.unshift(isOwn ? rest : copyOfBytes(rest));
  }

  private writePiece(piece: Uint8Array): void {
    if (!this.res.write(piece)) this.block();
    this.offset += piece.length;
    this.credit(piece.length);
  }

  /** A client that stops reading for a while is no reason for the library to cut it off. */
  refreshTimer(): void {
    if (this.isOver || !this.isBlocked) return;
    this.res.pause();
    this.res.resume();
  }

  /** The socket takes bytes again. `offset`: body bytes of a known length taken so far. */
  private onWritable(offset: number): boolean {
    if (this.isOver) return true;
    if (this.isChunked) return this.onChunkedWritable();
    this.isBlocked = false;
    const first = this.held[0];
    if (first !== undefined && offset > this.offset) {
      // The library took more of the held chunk than it had said.
      const taken = offset - this.offset;
      this.offset = offset;
      this.held[0] = first.subarray(taken);
      this.credit(taken);
    }
    while (this.held.length > 0 && !this.isBlocked && !this.isOver) {
      this.writeKnown(this.held.shift() ?? NO_BYTES, true);
    }
    if (!this.isBlocked && !this.isOver) this.listener.onUnblocked();
    return !this.isBlocked;
  }

  private onChunkedWritable(): boolean {
    // An empty cork is what makes the library send what it holds.
    this.res.cork(NOTHING);
    this.isBlocked = false;
    while (this.held.length > 0 && !this.isBlocked) {
      this.writeChunked(this.held.shift() ?? NO_BYTES, true);
    }
    if (this.isBlocked) return true;
    if (this.isEndHeld) this.sendEnd();
    else this.listener.onUnblocked();
    return true;
  }

  private block(): void {
    this.isBlocked = true;
    this.listener.onBlocked();
  }

  private credit(bytes: number): void {
    this.uncredited += bytes;
    if (this.uncredited < WINDOW_CREDIT_BYTES) return;
    const credited = this.uncredited;
    this.uncredited = 0;
    this.listener.onSent(credited);
  }

  private markOver(): void {
    this.isOver = true;
    this.held = [];
  }
}
