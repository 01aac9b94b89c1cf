/**
 * One request over HTTP/2, from the queue of its target to the end of its reply.
 *
 * Thread: worker. Owned by its try; h2 connections call it for the stream that it has.
 *
 *     WAITING ──open──► OPEN ──► OVER        and from anywhere: OVER
 *
 * Upload and reply go their ways at the same time. A piece of the reply that its reader does not
 * want yet is held, and its bytes are not credited: a slow client stops its own stream only. Of an
 * upload so much is sent as the target's windows and the socket take; the rest waits here, and its
 * client gets no window for it.
 *
 * Invariants: the handler is told of one end. What is held is never more than the window of a
 * stream. A request that the target says it has not looked at is given back only if all of its body
 * is still there.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { JoinedPieces } from '../../base/joined-pieces.js';
import { SWITCHING_PROTOCOLS } from '../../wire/http1/status-line.js';
import type { ClientStream } from '../../wire/http2/client-stream.js';
import { CANCEL, NO_ERROR } from '../../wire/http2/frame-kinds.js';
import type { ReplyFields } from '../../wire/http2/reply-fields.js';
import { type BodySink, StreamedBody } from '../exchange/streamed-body.js';
import type { Http2Connection, StreamUser } from './http2-connection.js';
import { connectionLost, endedByTarget, Http2Error } from './http2-error.js';
import { fieldsForHttp2, startOf } from './http2-head.js';
import { fieldsOfTunnelHead } from './tunnel-head.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamRequest,
} from './upstream-transport.js';

const NO_BYTES = Buffer.alloc(0);
/** So much of a body is written at once: others may want to write as well. */
const PIECE_BYTES_MAX = 64 * 1024;

const WAITING = 0;
const OPEN = 1;
const OVER = 2;
type SlotState = typeof WAITING | typeof OPEN | typeof OVER;

/** Where a slot waits until a connection takes it. */
export interface SlotQueue {
  /** Finds a connection for it, or lets it wait. */
  place(slot: Http2Slot): void;
  /** It waits no more. */
  withdraw(slot: Http2Slot): void;
}

export class Http2Slot implements UpstreamConnection, StreamUser, BodySink {
  served = 0;
  isBusy = true;
  readonly isHttp2 = true;

  private state: SlotState = WAITING;
  private request: UpstreamRequest | null = null;
  private handler: TransportHandler | null = null;
  private connection: Http2Connection | null = null;
  private stream: ClientStream | null = null;
  private sentMs = 0;

  private hasReplyBegun = false;
  private isPaused = false;
  /** Pieces of the reply that wait for resume(). */
  private held: Buffer[] = [];
  private readonly joinedHeld = new JoinedPieces();
  /** The reply has ended, perhaps behind pieces that are held; null: it has not. */
  private ended: FieldBlock | null = null;
  private hasToldLast = false;
  /** The request asks for a tunnel; and the target has opened it. */
  private asksForTunnel = false;
  private isTunnel = false;

  /** Pieces of the upload that wait for windows or for the socket. */
  private unsent: Buffer[] = [];
  private readonly joinedUnsent = new JoinedPieces();
  private isUploadComplete = false;
  private hasSentEnd = false;
  private uploadTrailers: FieldBlock = NO_FIELDS;
  /** The body that streams; null: there is none, or it is collected. */
  private body: StreamedBody | null = null;

  private readonly abortNow = (reason?: Error): void =>
    this.giveUp(reason ?? connectionLost('aborted'));
  private readonly resumeNow = (): void => this.resume();

  /** `oldestSerial`: no connection that is older takes it. */
  constructor(
    private readonly queue: SlotQueue,
    readonly oldestSerial: number,
  ) {}

  send(request: UpstreamRequest, handler: TransportHandler): void {
    this.request = request;
    this.handler = handler;
    this.queue.place(this);
  }

  /** Nobody wants the reply any more, and nothing was sent. */
  withdraw(): void {
    if (this.state !== WAITING) return;
    this.queue.withdraw(this);
    this.fail(connectionLost('the request is not wanted any more'));
  }

  // Hot path (bench/gateway/plain-get): every request to such a target.
  /** Sends the request over the connection, which can take it. */
  open(connection: Http2Connection): void {
    const { handler, request } = this;
    if (handler === null || request === null) return;
    const asksForTunnel = request.tunnelKey !== '';
    if (asksForTunnel && !connection.takesTunnels) {
      this.fail(new Http2Error('HTTP2_NO_CONNECT', 'the target takes no extended CONNECT'));
      return;
    }
    this.served = connection.served;
    try {
      handler.onConnect(this.abortNow);
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    const { body } = request;
    const ends = body === null && !asksForTunnel;
    const stream = connection.request(startOf(request), fieldsForHttp2(request), ends);
    stream.owner = this;
    this.connection = connection;
    this.stream = stream;
    this.sentMs = connection.owner.nowMs();
    this.state = OPEN;
    this.asksForTunnel = asksForTunnel;
    if (body === null) {
      this.hasSentEnd = true;
    } else if (asksForTunnel) {
      // Nothing goes up before the target has opened it.
    } else if (body instanceof StreamedBody) {
      this.body = body;
      body.flowTo(this);
    } else {
      this.unsent.push(body);
      this.isUploadComplete = true;
      this.pump();
    }
  }

  // ── the upload ──

  onPiece(bytes: Uint8Array): void {
    if (this.state !== OPEN || this.hasSentEnd) return;
    this.joinedUnsent.add(this.unsent, bytes);
    this.pump();
  }

  onBodyEnd(trailers: FieldBlock): void {
    if (this.state !== OPEN) return;
    this.isUploadComplete = true;
    this.uploadTrailers = trailers;
    this.pump();
  }

  /** The exchange has ended before its request has. */
  onBodyDropped(): void {
    if (this.state === OPEN) this.giveUp(connectionLost('the request was given up'));
  }

  /** There is room in the target's windows, or in the socket. */
  pump(): void {
    const { connection, stream } = this;
    if (this.state !== OPEN || connection === null || stream === null) return;
    while (this.unsent.length > 0) {
      if (!connection.hasRoom) {
        connection.awaitRoom(this);
        return;
      }
      if (!this.sendFirst(connection, stream)) return;
    }
    if (!this.isUploadComplete) return;
    if (!this.hasSentEnd) {
      this.hasSentEnd = true;
      connection.sendEnd(stream, this.uploadTrailers);
    }
    if (this.isTunnel) this.completeIfDue();
  }

  /** False: the windows are full. */
  private sendFirst(connection: Http2Connection, stream: ClientStream): boolean {
    const first = this.unsent[0] ?? Buffer.alloc(0);
    const piece = first.subarray(0, PIECE_BYTES_MAX);
    const isLast = this.isUploadComplete && this.unsent.length === 1;
    const ends = isLast && piece.length === first.length && this.uploadTrailers === NO_FIELDS;
    const taken = connection.sendData(stream, piece, ends);
    if (taken === first.length) this.unsent.shift();
    else this.unsent[0] = first.subarray(taken);
    if (ends && taken === piece.length) this.hasSentEnd = true;
    if (taken > 0) this.body?.onTaken(taken);
    return taken === piece.length;
  }

  // ── the reply ──

  private begin(): TransportHandler | null {
    if (!this.hasReplyBegun) {
      this.hasReplyBegun = true;
      this.handler?.onResponseStarted();
    }
    return this.handler;
  }

  onInterim(status: number, fields: FieldBlock): void {
    this.begin()?.onReplyInterim(status, fields);
  }

  onHead(head: ReplyFields): void {
    const { status } = head;
    if (this.asksForTunnel && status >= 200 && status < 300) this.openTunnel(head);
    else this.begin()?.onReplyHead(status, head, this.resumeNow);
  }

  /** RFC 8441 5: any 2xx opens it; for the rest of the gateway it is a 101. */
  private openTunnel(head: ReplyFields): void {
    const body = this.request?.body;
    this.isTunnel = true;
    head.fields = fieldsOfTunnelHead(head.fields);
    this.begin()?.onReplyHead(SWITCHING_PROTOCOLS, head, this.resumeNow);
    if (this.state !== OPEN || !(body instanceof StreamedBody)) return;
    this.body = body;
    body.flowTo(this);
  }

  // Hot path: every piece of every reply.
  onData(bytes: Buffer, isLast: boolean): void {
    if (this.isPaused || this.held.length > 0) {
      this.joinedHeld.add(this.held, bytes);
      return;
    }
    this.give(bytes, isLast);
  }

  private give(bytes: Buffer, isLast: boolean): void {
    const { handler, connection, stream } = this;
    if (handler === null) return;
    // The way down a tunnel may end long before the tunnel does.
    const endsReply = isLast && !this.isTunnel;
    this.hasToldLast = endsReply;
    const goesOn = handler.onReplyData(bytes, endsReply);
    if (!goesOn && !endsReply) this.isPaused = true;
    if (connection !== null && stream !== null) connection.credit(stream, bytes.length);
  }

  /** Goes on after a pause. */
  private resume(): void {
    if (!this.isPaused || this.state !== OPEN) return;
    this.isPaused = false;
    while (this.held.length > 0 && !this.isPaused && this.state === OPEN) {
      const piece = this.held.shift() ?? Buffer.alloc(0);
      this.give(piece, this.held.length === 0 && this.ended === NO_FIELDS);
    }
    this.completeIfDue();
  }

  /** The target has ended its reply. */
  onEnd(trailers: FieldBlock): void {
    if (this.state !== OPEN) return;
    this.ended = trailers;
    const { connection, stream } = this;
    if (!this.isTunnel) {
      // The rest of the upload would lead nowhere: the reply is whole (RFC 9113 8.1).
      if (stream?.isLocalClosed === false) connection?.reset(stream, NO_ERROR);
      this.unsent = [];
    }
    this.completeIfDue();
  }

  private completeIfDue(): void {
    if (this.ended === null || this.held.length > 0 || this.state !== OPEN) return;
    if (this.isPaused && !this.hasToldLast) return;
    const { handler, ended } = this;
    if (this.isTunnel && !this.hasSentEnd) {
      if (this.hasToldLast) return;
      this.hasToldLast = true;
      handler?.onReplyData(NO_BYTES, true);
      return;
    }
    this.end();
    handler?.onComplete(ended);
  }

  // ── the end ──

  /** The stream is gone, and the reply is not whole. */
  onReset(stream: ClientStream, code: number, reason: string): void {
    if (this.state !== OPEN || this.connection === null) return;
    if (!stream.isEndedByPeer) {
      this.fail(this.connection.failureOf(reason));
      return;
    }
    const error = endedByTarget(reason, code);
    if (stream.isUnprocessed && this.tryTakeBack()) this.giveBack(error);
    else this.fail(error);
  }

  /** Whether all of the request is still here. */
  private tryTakeBack(): boolean {
    return this.body === null || (!this.hasReplyBegun && this.body.tryTakeBack());
  }

  /** Nothing was done with the request: another connection may have it. */
  giveBack(error: Error): void {
    const { handler } = this;
    this.end();
    handler?.onUnsent(error);
  }

  /** We end it ourselves. */
  private giveUp(error: Error): void {
    const { connection, stream } = this;
    if (connection !== null && stream !== null) {
      connection.reset(stream, CANCEL);
      if (!this.hasReplyBegun) connection.onGivenUp(this.sentMs);
    }
    this.fail(error);
  }

  fail(error: Error): void {
    if (this.state === OVER) return;
    const { handler } = this;
    this.end();
    handler?.onError(error);
  }

  private end(): void {
    this.state = OVER;
    this.isBusy = false;
    this.handler = null;
    this.request = null;
    this.held = [];
    this.unsent = [];
    this.body = null;
    if (this.stream !== null) this.stream.owner = null;
  }
}
