/**
 * The client's end of one exchange on a uWebSockets.js connection.
 *
 * Thread: acceptor. Owns the response handle until the reply is complete or the client is gone;
 * after that the handle is never touched (the library would throw). Owns `unsent`: the bytes that
 * the client has not taken yet. They are at most a window, since the worker stops without credit.
 *
 * Three shapes of a reply, since the library does not let one take another's place:
 * whole (`end`), known length (`tryEnd`, which says how much it took), and chunked (`write`).
 * Chunked pieces stay below the cork buffer and each has its own cork: larger ones can be lost
 * under back-pressure in older cores.
 *
 * A fourth shape is a reply that comes before the end of its upload (whole-reply.ts): the library
 * does not know that it is complete, and reads on until the connection is closed here.
 *
 * A pause of the library stops both directions. So while the reply waits for the client nothing is
 * paused, or the two sides would wait for each other; the pause is made up for once the client has
 * taken all.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { assert, defined } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { copyOfBytes } from '../../base/copy-bytes.js';
import { REQUEST_ID_FIELD } from '../../base/request-id.js';
import { WINDOW_CREDIT_BYTES } from '../../channel/lane.js';
import { FLAG_BODILESS, FLAG_END } from '../../channel/records/record-kind.js';
import { withoutDate } from '../../channel/records/response-head.js';
import { statusLine } from '../../wire/http1/status-line.js';
import type {
  ClientListener,
  ClientSocket,
  EngineCapabilities,
  ReplyClosing,
  ReplyHead,
} from '../client-engine.js';
import { lastLineOf, wholeReply } from './whole-reply.js';

/** Fits the cork buffer of 16 KiB. */
const CORKED_BYTES = 15_000;
/** A socket always takes this much: a shorter reply cannot get stuck before its last byte. */
const TAIL_TOTAL_BYTES_MIN = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const NOTHING = (): void => {};

/**
 * The library writes one head for a request and nothing behind a chunked body, and it does not hand
 * out the bytes of a connection.
 */
const CAPABILITIES: EngineCapabilities = {
  trailers: false,
  interimHeads: false,
  tunnels: false,
  bodyTimer: false,
  lingers: true,
};

export class UwsSocket implements ClientSocket {
  readonly capabilities = CAPABILITIES;
  private listener: ClientListener | null = null;
  /** Complete, cut off, or the client is gone: the response handle must not be used. */
  private isOver = false;

  /** The acceptor wants no more of the body. */
  private isPauseWanted = false;
  /** The library does not read, and does not write. */
  private isPaused = false;
  /** Some of the body came since the last refresh. */
  private hasReceived = false;

  /** The socket takes no more for now. The library reads and writes again, paused or not. */
  private isBlocked = false;
  private isChunked = false;
  private closing: ReplyClosing = 'none';
  private total = 0;
  /** Body bytes handed to the library in whole chunks. */
  private offset = 0;
  private unsent: Uint8Array[] = [];
  private isEndUnsent = false;
  private uncredited = 0;

  /**
   * The library knows how long the request's body is: of a reply of known length it throws the rest
   * of that body away by itself.
   */
  isUploadMeasured = false;
  private isUploadComplete = false;
  /** The client has all of the reply; what comes of the upload goes to the listener. */
  private isLingering = false;
  /** The line that ends a chunked reply which lingers: a trailer, as it has to have a name. */
  private lastLine = '';

  constructor(
    private readonly res: HttpResponse,
    private readonly clock: Pick<Clock, 'unixMs'>,
  ) {}

  /** The client has left, or was cut off. */
  get isGone(): boolean {
    return this.isOver;
  }

  attach(listener: ClientListener): void {
    this.listener = listener;
  }

  // What the library tells.

  onData(bytes: Uint8Array, isLast: boolean): void {
    if (this.isOver && !this.isLingering) return;
    this.hasReceived = true;
    if (isLast) this.isUploadComplete = true;
    this.listener?.onData(bytes, isLast);
  }

  onAborted(): void {
    if (this.isOver && !this.isLingering) return;
    this.isLingering = false;
    this.markOver();
    this.listener?.onAborted();
  }

  /** After a mistake in our code: cuts the client off, and tells the acceptor that it is gone. */
  breakOff(): void {
    if (this.isOver) return;
    this.res.close();
    this.onAborted();
  }

  // What the acceptor wants.

  pause(): void {
    this.isPauseWanted = true;
    if (!this.isPaused && !this.isBlocked && !this.isOver) {
      this.isPaused = true;
      this.res.pause();
    }
  }

  resume(): void {
    this.isPauseWanted = false;
    if (!this.isPaused || (this.isOver && !this.isLingering)) return;
    this.isPaused = false;
    this.res.resume();
  }

  /**
   * The library ends connections on which nothing happens for some 10 seconds, and uploads below
   * 16 KB a second. A client that reads a reply slowly is given time here, and so is an upload of
   * which something came; an upload of which nothing comes is left to the timer of the library.
   */
  refresh(): void {
    const mustLive = this.isBlocked || this.hasReceived;
    this.hasReceived = false;
    if (!mustLive || this.isPaused || this.isOver) return;
    this.res.pause();
    this.res.resume();
  }

  sendInterim(): void {
    assert(false, 'uWebSockets.js writes one head for a request');
  }

  sendTrailers(): void {
    assert(false, 'uWebSockets.js writes no trailers');
  }

  // Hot path (bench/gateway/plain-get): once for every reply.
  sendHead(head: ReplyHead, closing: ReplyClosing): void {
    this.closing = closing;
    if (closing === 'lingering') this.lastLine = lastLineOf(head);
    this.res.cork(() => this.writeHead(head));
    if (!this.isChunked) return;
    this.sendBody(head.inlineBody.subarray(this.offset), (head.flags & FLAG_END) !== 0);
  }

  private writeHead(head: ReplyHead): void {
    const { res } = this;
    const { flags, inlineBody, text } = head;
    const isEnd = (flags & FLAG_END) !== 0;
    const isCorkable = text.length + inlineBody.length <= CORKED_BYTES;
    const { status, phrase = '' } = head;
    res.writeStatus(phrase === '' ? statusLine(status) : `${status} ${phrase}`);
    if (this.closing === 'lingering' && this.writeWhole(head, isCorkable)) return;
    // The block continues the line of the id as an HTTP/1.1 head does: one call for all of it.
    // The library writes Date itself.
    res.writeHeader(REQUEST_ID_FIELD, withoutDate(text));
    if ((flags & FLAG_BODILESS) !== 0) {
      this.endBodiless(head.bodyBytes);
    } else if (isEnd && isCorkable) {
      this.markOver();
      res.end(inlineBody, this.closing !== 'none');
      this.onDone();
    } else if (head.bodyBytes > 0 && this.canKeepLength(isEnd)) {
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

  /** A reply that lingers and is whole. False: it goes out in pieces. */
  private writeWhole(head: ReplyHead, isCorkable: boolean): boolean {
    const isBodiless = (head.flags & FLAG_BODILESS) !== 0;
    if (!isBodiless && ((head.flags & FLAG_END) === 0 || !isCorkable)) return false;
    this.res.writeHeader(REQUEST_ID_FIELD, wholeReply(head, this.clock.unixMs()));
    this.linger();
    return true;
  }

  /** Behind a known length the library is left to itself, which lingering must allow. */
  private canKeepLength(isEnd: boolean): boolean {
    return this.closing !== 'lingering' || (this.isUploadMeasured && !isEnd);
  }

  /** The client has the whole reply, and the library does not know. */
  private linger(): void {
    this.markOver();
    this.isLingering = true;
    this.onDone();
  }

  private endBodiless(contentLength: number): void {
    const { res } = this;
    this.markOver();
    if (this.closing === 'closed') {
      // Only this form closes: `endWithoutBody` ends the process when it is told to.
      res.end('', true);
    } else {
      this.announceClosing();
      if (contentLength >= 0) res.writeHeader('Content-Length', String(contentLength));
      this.stopReading();
      res.endWithoutBody();
    }
    this.onDone();
  }

  /**
   * `end` can close the connection, but says so where it stands: behind a body that has begun, in
   * the middle of the framing. So a longer reply says so in its head and leaves the closing to the
   * client; a client that waits too long meets the library's idle timer.
   */
  private announceClosing(): void {
    if (this.closing !== 'none') this.res.writeHeader('Connection', 'close');
  }

  /**
   * Just before the end: a write that fails makes the library read again. Nobody could tell the
   * library later that it is to read on.
   */
  private stopReading(): void {
    const { closing } = this;
    const isMistrusted = closing === 'lingering' && !this.isUploadMeasured;
    if (isMistrusted || closing === 'deaf' || closing === 'closed') this.res.pause();
    else if (closing === 'lingering') this.resume();
  }

  private watchWritable(): void {
    this.res.onWritable((offset) => this.onWritable(offset));
  }

  sendBody(chunk: Uint8Array, isLast: boolean): void {
    if (this.isOver) return;
    if (this.isBlocked) {
      if (chunk.length > 0) this.unsent.push(copyOfBytes(chunk));
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
   * The library counts a small piece as sent when it only keeps the piece for a full socket. If
   * that were the last piece, the library would take the reply for complete and cut the client off
   * once nothing moves for ten seconds. So the last byte is handed over by itself: a full socket
   * refuses it, and it waits here.
   */
  private isTail(chunk: Uint8Array): boolean {
    const isLast = this.offset + chunk.length === this.total;
    return isLast && chunk.length > 1 && this.total > TAIL_TOTAL_BYTES_MIN;
  }

  sendEnd(): void {
    if (this.isOver || !this.isChunked) return;
    if (this.isBlocked) {
      this.isEndUnsent = true;
      return;
    }
    if (this.closing === 'lingering' && !this.isUploadComplete) {
      const { lastLine } = this;
      this.res.cork(() => this.res.writeHeader(`\r\n0\r\n${REQUEST_ID_FIELD}`, lastLine));
      this.linger();
      return;
    }
    this.markOver();
    this.res.cork(() => {
      this.stopReading();
      this.res.end('');
    });
    this.onDone();
  }

  abort(): void {
    if (this.isOver && !this.isLingering) return;
    this.isLingering = false;
    this.markOver();
    this.res.close();
  }

  /**
   * Hands over a chunk of a reply with known length; the part not taken is kept. `isOwn`: the bytes
   * were copied before, and stay what they are.
   */
  private writeKnown(chunk: Uint8Array, isOwn = false): boolean {
    if (this.offset + chunk.length === this.total) this.stopReading();
    const [isTaken, isDone] = this.res.tryEnd(chunk, this.total);
    if (isDone) {
      this.markOver();
      this.onDone();
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
    this.keepFirst(chunk.subarray(taken), isOwn);
    return false;
  }

  /** Hands over a chunk in small pieces; what comes after a blocked piece is kept. */
  private writeChunked(chunk: Uint8Array, isOwn = false): void {
    let at = 0;
    while (at < chunk.length && !this.isBlocked) {
      const piece = chunk.subarray(at, at + CORKED_BYTES);
      this.res.cork(() => this.writePiece(piece));
      at += piece.length;
    }
    if (at < chunk.length) this.keepFirst(chunk.subarray(at), isOwn);
  }

  private keepFirst(rest: Uint8Array, isOwn: boolean): void {
    this.unsent.unshift(isOwn ? rest : copyOfBytes(rest));
  }

  private writePiece(piece: Uint8Array): void {
    if (!this.res.write(piece)) this.block();
    this.offset += piece.length;
    this.credit(piece.length);
  }

  /** The socket takes bytes again. `offset`: body bytes of a known length taken so far. */
  onWritable(offset: number): boolean {
    if (this.isLingering) this.res.cork(NOTHING);
    if (this.isOver) return true;
    if (this.isChunked) return this.onChunkedWritable();
    this.isBlocked = false;
    const first = this.unsent[0];
    if (first !== undefined && offset > this.offset) {
      // The library took more of the first chunk than it had said.
      const taken = offset - this.offset;
      this.offset = offset;
      this.unsent[0] = first.subarray(taken);
      this.credit(taken);
    }
    while (this.unsent.length > 0 && !this.isBlocked && !this.isOver) {
      this.writeKnown(this.unsent.shift() ?? NO_BYTES, true);
    }
    if (!this.isBlocked && !this.isOver) this.onUnblocked();
    return !this.isBlocked;
  }

  private onChunkedWritable(): boolean {
    // An empty cork makes the library send what it has kept.
    this.res.cork(NOTHING);
    this.isBlocked = false;
    while (this.unsent.length > 0 && !this.isBlocked) {
      this.writeChunked(this.unsent.shift() ?? NO_BYTES, true);
    }
    if (this.isBlocked) return true;
    if (this.isEndUnsent) this.sendEnd();
    else this.onUnblocked();
    return true;
  }

  private block(): void {
    this.isBlocked = true;
    this.isPaused = false;
  }

  private credit(bytes: number): void {
    this.uncredited += bytes;
    if (this.uncredited < WINDOW_CREDIT_BYTES) return;
    const credited = this.uncredited;
    this.uncredited = 0;
    this.listener?.onSent(credited);
  }

  private onUnblocked(): void {
    if (this.isPauseWanted) this.pause();
  }

  private onDone(): void {
    defined(this.listener, 'the listener').onDone();
  }

  private markOver(): void {
    this.isOver = true;
    this.unsent = [];
  }
}
