/**
 * One plain HTTP/1.1 connection to a target: a socket and what it is in the middle of.
 *
 * Thread: worker. Stands beside undici for requests without a streamed body, at about half the
 * price: no stream machinery on the way in, one write on the way out, nothing allocated per reply
 * but its head's text. One exchange at a time, never pipelined.
 *
 *     CONNECTING ──► IDLE ──write──► HEAD ──► LENGTH | CHUNKED | UNTIL_CLOSE ──► IDLE | CLOSED
 *                                     └─ interim replies, bodiless replies ─┘
 *
 * Invariants: a reply is complete only when its framing says so; the connection that leaves any
 * doubt about where a reply ended (bytes behind it, a byte while idle, a broken head) is CLOSED
 * and serves nobody else. All connections of a thread read into one buffer: what a handler gets
 * is valid inside the call only, and bytes that must wait are copied.
 */
import { connect, type Socket } from 'node:net';
import { CHUNK_BAD, CHUNK_DATA, CHUNK_END, ChunkedDecoder } from './chunked-decoder.js';
import { buildForwardedHead } from './forwarded-head.js';
import {
  checkPartialHead,
  FRAMING_CHUNKED,
  FRAMING_LENGTH,
  HEAD_BYTES_MAX,
  parseReplyHead,
  ReplyHead,
} from './reply-head-parser.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamRequest,
} from './upstream-transport.js';

const RECEIVE_BYTES = 64 * 1024;
const receiveBuffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);

/** Nearly every head ends within so many bytes, and a small body with it. */
const HEAD_PEEK_BYTES = 2048;
const HEAD_END = '\r\n\r\n';
const INTERIM_REPLIES_MAX = 8;
/** Small bodies go out in the same string as their head; larger ones are not copied. */
const JOINED_BODY_BYTES_MAX = 4096;
const TCP_KEEP_ALIVE_MS = 60_000;

const CONNECTING = 0;
const IDLE = 1;
const HEAD = 2;
const LENGTH = 3;
const CHUNKED = 4;
const UNTIL_CLOSE = 5;
const CLOSED = 6;

export interface TargetAddress {
  readonly host: string;
  readonly port: number;
}

/** Who keeps the connection. */
export interface LeanConnectionOwner {
  onConnected(connection: LeanConnection): void;
}

/** Codes as undici's, so that one table serves both transports. */
export class LeanConnectionError extends Error {
  constructor(
    readonly code: 'UND_ERR_SOCKET' | 'UND_ERR_CONNECT_TIMEOUT' | 'HPE_INVALID_REPLY',
    message: string,
  ) {
    super(message);
  }
}

export class LeanConnection implements UpstreamConnection {
  served = 0;
  isBusy = false;
  /** Turns of the event loop until it may be written to again; its owner counts them. */
  restTurns = 0;
  /** Something was written since its owner gave it out. */
  wasUsed = false;
  /** When its owner gives it up: while it connects, or while it is idle. */
  expiresMs = Number.POSITIVE_INFINITY;

  private state = CONNECTING;
  private readonly socket: Socket;
  private readonly head = new ReplyHead();
  private readonly decoder = new ChunkedDecoder();
  private handler: TransportHandler | null = null;
  private waiting: UpstreamRequest | null = null;
  private isHeadMethod = false;
  private hasBegun = false;
  private interimCount = 0;
  /** The head so far, when it did not come at once. */
  private headText = '';
  private bodyLeft = 0;
  private isPaused = false;
  /** Bytes that came along with the one after which the handler wanted a pause. */
  private held: Buffer | null = null;
  private readonly abortNow = (reason?: Error): void => this.fail(reason ?? socketError('aborted'));
  private readonly resumeNow = (): void => this.resume();

  constructor(
    address: TargetAddress,
    private readonly owner: LeanConnectionOwner,
  ) {
    this.socket = connect({
      ...address,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      onread: { buffer: receiveBuffer, callback: (bytes) => this.onBytes(bytes) },
    });
    this.socket.on('connect', () => this.onConnected());
    this.socket.on('end', () => this.onEnd());
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('close', () => this.fail(socketError('closed')));
  }

  get isConnecting(): boolean {
    return this.state === CONNECTING;
  }

  get isClosed(): boolean {
    return this.state === CLOSED;
  }

  /** How long the target said that it would keep an idle connection; -1: it did not say. */
  get keepAliveMs(): number {
    return this.head.keepAliveMs;
  }

  /** Sends the request as soon as the connection may be written to. */
  send(request: UpstreamRequest, handler: TransportHandler): void {
    this.handler = handler;
    this.waiting = request;
    if (this.state === CLOSED) this.giveBackUnsent();
    else if (this.state === IDLE && this.restTurns === 0) this.write();
  }

  /** The rest is over: what waited for it goes out. */
  endRest(): void {
    if (this.state === IDLE && this.waiting !== null) this.write();
  }

  /** The connection did not come about in time. */
  giveUpConnecting(): void {
    this.fail(new LeanConnectionError('UND_ERR_CONNECT_TIMEOUT', 'connect timeout'));
  }

  /** Ends the connection and whatever it is in the middle of. */
  destroy(): void {
    this.fail(socketError('destroyed'));
  }

  // Hot path: once for every request; bench/micro/worker/upstream-transport watches it.
  private write(): void {
    const { handler, waiting } = this;
    if (handler === null || waiting === null) return;
    this.waiting = null;
    try {
      handler.onConnect(this.abortNow);
    } catch (error) {
      // Nobody wants the reply any more; nothing was written, so the connection is as good as it was.
      this.handler = null;
      handler.onError(error as Error);
      return;
    }
    const body = waiting.body instanceof Buffer ? waiting.body : null;
    const text = buildForwardedHead(waiting, body === null ? 0 : body.length);
    this.isHeadMethod = waiting.exchange.method === 'HEAD';
    this.hasBegun = false;
    this.interimCount = 0;
    this.wasUsed = true;
    this.state = HEAD;
    if (body === null) {
      this.socket.write(text, 'latin1');
    } else if (body.length <= JOINED_BODY_BYTES_MAX) {
      this.socket.write(text + body.toString('latin1'), 'latin1');
    } else {
      this.socket.cork();
      this.socket.write(text, 'latin1');
      this.socket.write(body);
      this.socket.uncork();
    }
  }

  private onConnected(): void {
    if (this.state !== CONNECTING) return;
    this.state = IDLE;
    this.owner.onConnected(this);
    this.write();
  }

  /** Returns false to stop reading. */
  private onBytes(bytes: number): boolean {
    this.take(receiveBuffer, 0, bytes);
    return !this.isPaused;
  }

  private take(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.isPaused) at = this.takePart(bytes, at, end);
    if (at < end) this.held = Buffer.from(bytes.subarray(at, end));
  }

  /** Returns where to go on; `end` when nothing is left to do. */
  private takePart(bytes: Buffer, at: number, end: number): number {
    switch (this.state) {
      case HEAD:
        return this.takeHead(bytes, at, end);
      case LENGTH:
        return this.takeLength(bytes, at, end);
      case CHUNKED:
        return this.takeChunked(bytes, at, end);
      case UNTIL_CLOSE:
        this.deliver(bytes, at, end);
        return end;
      case CLOSED:
        return end;
      default:
        // Nobody asked for it: whatever it is, it would be taken for the next reply.
        this.fail(socketError('unexpected data on an idle connection'));
        return end;
    }
  }

  // Hot path: once for every reply.
  private takeHead(bytes: Buffer, at: number, end: number): number {
    if (!this.hasBegun) {
      this.hasBegun = true;
      this.handler?.onResponseStarted();
    }
    const before = this.headText;
    const from = Math.max(0, before.length - HEAD_END.length + 1);
    let peek = Math.min(end, at + HEAD_PEEK_BYTES);
    let text = before + bytes.toString('latin1', at, peek);
    let stop = text.indexOf(HEAD_END, from);
    if (stop === -1 && peek < end) {
      peek = Math.min(end, at + HEAD_BYTES_MAX);
      text = before + bytes.toString('latin1', at, peek);
      stop = text.indexOf(HEAD_END, from);
    }
    if (stop === -1) return this.keepPartialHead(text, before.length, end);
    this.headText = '';
    if (stop + HEAD_END.length > HEAD_BYTES_MAX) return this.refuse('head too large', end);
    const problem = parseReplyHead(text, stop + 2, this.head);
    if (problem !== '') return this.refuse(problem, end);
    const next = at + stop + HEAD_END.length - before.length;
    return this.head.status < 200 ? this.passInterim(next, end) : this.beginReply(next, end);
  }

  private keepPartialHead(text: string, checked: number, end: number): number {
    const problem =
      text.length >= HEAD_BYTES_MAX ? 'head too large' : checkPartialHead(text, checked);
    if (problem !== '') return this.refuse(problem, end);
    this.headText = text;
    return end;
  }

  private passInterim(next: number, end: number): number {
    if (this.head.status === 101) return this.refuse('upgrade that nobody asked for', end);
    if (++this.interimCount > INTERIM_REPLIES_MAX)
      return this.refuse('too many interim replies', end);
    return next;
  }

  private beginReply(next: number, end: number): number {
    const { head } = this;
    const { status, framing } = head;
    const isBodiless = this.isHeadMethod || status === 204 || status === 304;
    if (status === 204 && (framing === FRAMING_CHUNKED || head.bodyBytes > 0)) {
      // What it announces may still come.
      head.isPersistent = false;
    }
    this.bodyLeft = head.bodyBytes;
    const isEmpty = isBodiless || (framing === FRAMING_LENGTH && head.bodyBytes === 0);
    if (!isEmpty && framing === FRAMING_CHUNKED) {
      this.decoder.reset();
      this.state = CHUNKED;
    } else if (!isEmpty) {
      this.state = framing === FRAMING_LENGTH ? LENGTH : UNTIL_CLOSE;
    }
    this.handler?.onReplyHead(status, head, this.resumeNow);
    // The handler may have ended it all.
    if (isEmpty && this.state === HEAD) this.complete(next, end);
    return next;
  }

  private takeLength(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.bodyLeft);
    this.bodyLeft -= stop - at;
    this.deliver(bytes, at, stop);
    if (this.bodyLeft === 0 && this.state === LENGTH) {
      this.isPaused = false;
      this.complete(stop, end);
    }
    return stop;
  }

  private takeChunked(bytes: Buffer, at: number, end: number): number {
    const { decoder } = this;
    switch (decoder.step(bytes, at, end)) {
      case CHUNK_DATA:
        this.deliver(bytes, decoder.dataStart, decoder.dataEnd);
        break;
      case CHUNK_END:
        this.complete(decoder.at, end);
        break;
      case CHUNK_BAD:
        return this.refuse('bad chunk', end);
      default:
    }
    return decoder.at;
  }

  private deliver(bytes: Buffer, start: number, end: number): void {
    if (this.handler?.onData(bytes.subarray(start, end)) === false) this.isPaused = true;
  }

  /** The reply has ended at `at`; bytes behind it make the connection worthless. */
  private complete(at: number, end: number): void {
    const { handler } = this;
    this.handler = null;
    this.state = IDLE;
    if (at < end || !this.head.isPersistent) this.close();
    handler?.onComplete();
  }

  private resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    const { held } = this;
    this.held = null;
    if (held !== null) this.take(held, 0, held.length);
    if (!this.isPaused && this.state !== CLOSED) this.socket.resume();
  }

  /** The target has closed its side. */
  private onEnd(): void {
    if (this.state === UNTIL_CLOSE) {
      this.head.isPersistent = false;
      this.complete(0, 0);
    } else {
      this.fail(socketError('other side closed'));
    }
  }

  private refuse(problem: string, end: number): number {
    this.fail(new LeanConnectionError('HPE_INVALID_REPLY', `malformed reply: ${problem}`));
    return end;
  }

  /** Ends the connection; who waited for a reply hears why, who was not sent yet goes elsewhere. */
  private fail(error: Error): void {
    if (this.state === CLOSED) return;
    const wasConnecting = this.state === CONNECTING;
    this.close();
    if (this.waiting !== null && !wasConnecting) {
      this.giveBackUnsent();
      return;
    }
    const { handler } = this;
    this.handler = null;
    this.waiting = null;
    handler?.onError(error);
  }

  private giveBackUnsent(): void {
    const { handler } = this;
    this.handler = null;
    this.waiting = null;
    handler?.onUnsent();
  }

  private close(): void {
    this.state = CLOSED;
    this.isPaused = false;
    this.held = null;
    this.headText = '';
    this.socket.destroy();
  }
}

function socketError(message: string): LeanConnectionError {
  return new LeanConnectionError('UND_ERR_SOCKET', message);
}
