/**
 * One HTTP/1.1 connection to a target, plain or with TLS: a socket and what it is in the middle of.
 *
 * Thread: worker. No stream machinery on the way in, one write on the way out, and nothing
 * allocated for a reply but its head's text. One exchange at a time, never pipelined.
 *
 *     CONNECTING ──► IDLE ──write──► IN_USE ──► IDLE     and from anywhere: CLOSED
 *                                      └──101──► a tunnel, until both ways have ended
 *
 * Invariants: a connection that leaves any doubt about where a reply ended (bytes behind it, a
 * byte while idle, a broken reply), or a request (its body still comes when the reply has ended),
 * is CLOSED and serves nobody else. What a handler gets is valid inside the call only:
 * read-memory.ts says where it lies.
 */
import type { Socket } from 'node:net';
import { takesDirectWrites, writeText } from '../../base/direct-write.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import {
  HEAD_TOO_LARGE,
  type ReplyHead,
  TOO_MANY_FIELDS,
} from '../../wire/http1/reply-head-parser.js';
import { type ReplyListener, ReplyReader } from '../../wire/http1/reply-reader.js';
import { SWITCHING_PROTOCOLS } from '../../wire/http1/status-line.js';
import { StreamedBody } from '../exchange/streamed-body.js';
import { BodyWriter } from './body-writer.js';
import { buildForwardedHead } from './forwarded-head.js';
import type { ReadMemory } from './read-memory.js';
import {
  openTargetSocket,
  type TargetAddress,
  type TargetSocketListener,
} from './target-socket.js';
import {
  handshakeError,
  isCertificateAlert,
  isTlsError,
  TargetTlsError,
  tlsReason,
} from './tls-failure.js';
import { fieldsOfTunnelHead, mistakeOfTunnelHead } from './tunnel-head.js';
import { type TunnelOwner, TunnelWriter } from './tunnel-writer.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamRequest,
} from './upstream-transport.js';

/** Small bodies go out in the same string as their head; larger ones are not copied. */
const JOINED_BODY_BYTES_MAX = 4096;

const NO_BYTES = Buffer.alloc(0);

const CONNECTING = 0;
const IDLE = 1;
const IN_USE = 2;
const CLOSED = 3;
type ConnectionState = typeof CONNECTING | typeof IDLE | typeof IN_USE | typeof CLOSED;

/** Who keeps the connection. */
export interface LeanConnectionOwner {
  nowMs(): number;
  onConnected(connection: LeanConnection): void;
}

type LeanErrorCode =
  | 'UND_ERR_SOCKET'
  | 'UND_ERR_CONNECT_TIMEOUT'
  | 'HPE_INVALID_REPLY'
  | 'HPE_HEADER_OVERFLOW';

/** Codes as undici's, so that one table serves both transports. */
class LeanConnectionError extends Error {
  constructor(
    readonly code: LeanErrorCode,
    message: string,
  ) {
    super(message);
  }
}

export class LeanConnection
  implements UpstreamConnection, ReplyListener, TargetSocketListener, TunnelOwner
{
  served = 0;
  isBusy = false;
  /** Turns of the event loop until it may be written to again; its owner counts them. */
  restTurns = 0;
  /** Something was written since its owner gave it out. */
  wasUsed = false;
  /** When its owner gives it up: while it connects, or while it is idle. */
  expiresMs = Number.POSITIVE_INFINITY;
  connectedMs = 0;

  private state: ConnectionState = CONNECTING;
  private readonly socket: Socket;
  private readonly isDirect: boolean;
  private isTcpConnected = false;
  private hasWriteFailed = false;
  private readonly reader: ReplyReader;
  private buffer: Buffer;
  /** Of the last read. */
  private bytesRead = 0;
  private handler: TransportHandler | null = null;
  private waiting: UpstreamRequest | null = null;
  /** Writes the body of the request that was sent, when it streams. */
  private upload: BodyWriter | null = null;
  /** The request that was sent asks for a tunnel. */
  private asking: UpstreamRequest | null = null;
  /** The connection has become a tunnel, and ends with it. */
  private isTunnel = false;
  /** Nothing more comes down the tunnel. */
  private isDownEnded = false;
  /** The target has closed its side, and what it sent before waits for resume(). */
  private endsLater = false;
  private readonly abortNow = (reason?: Error): void => this.fail(reason ?? socketError('aborted'));
  private readonly resumeNow = (): void => this.resume();

  constructor(
    private readonly address: TargetAddress,
    private readonly memory: ReadMemory,
    private readonly owner: LeanConnectionOwner,
  ) {
    this.reader = new ReplyReader(this, address.replyHeadBytes);
    this.buffer = memory.begin();
    this.socket = openTargetSocket(address, this);
    this.isDirect = takesDirectWrites(this.socket);
  }

  get isConnecting(): boolean {
    return this.state === CONNECTING;
  }

  get isClosed(): boolean {
    return this.state === CLOSED;
  }

  /** How long the target said that it would keep an idle connection; -1: it did not say. */
  get keepAliveMs(): number {
    return this.reader.head.keepAliveMs;
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
      // Nobody wants the reply any more. Nothing was written: the connection is as good as before.
      this.handler = null;
      handler.onError(error as Error);
      return;
    }
    const { body } = waiting;
    const text = buildForwardedHead(waiting);
    const asksForTunnel = waiting.tunnelKey !== '';
    this.reader.begin(waiting.exchange.head.method === 'HEAD', asksForTunnel);
    this.wasUsed = true;
    this.state = IN_USE;
    if (asksForTunnel) {
      this.asking = waiting;
      this.writeText(text);
    } else if (body === null) {
      this.writeText(text);
    } else if (body instanceof StreamedBody) {
      this.writeText(text);
      this.upload = new BodyWriter(this.socket, body, () => this.onDropped());
      body.flowTo(this.upload);
    } else if (body.length <= JOINED_BODY_BYTES_MAX) {
      this.writeText(text + body.toString('latin1'));
    } else {
      this.socket.cork();
      this.socket.write(text, 'latin1');
      this.socket.write(body);
      this.socket.uncork();
    }
  }

  /** Each character is a byte. */
  private writeText(text: string): void {
    if (this.isDirect) writeText(this.socket, text);
    else this.socket.write(text, 'latin1');
  }

  nowMs(): number {
    return this.owner.nowMs();
  }

  onTcpConnected(): void {
    this.isTcpConnected = true;
  }

  onConnected(): void {
    if (this.state !== CONNECTING) return;
    this.state = IDLE;
    this.owner.onConnected(this);
    this.write();
  }

  /** Returns false to stop reading. */
  onBytes(bytes: number): boolean {
    if (this.state === IDLE) this.fail(socketError('unexpected data on an idle connection'));
    else this.reader.take(this.buffer, 0, bytes);
    this.bytesRead = bytes;
    return !this.reader.isPaused;
  }

  /** No block is kept by a connection that is idle: it could be so for long. */
  nextBuffer(): Buffer {
    const goesOn = this.state === IN_USE && !this.isTunnel && this.reader.awaitsBody;
    const buffer = this.memory.next(this.buffer, this.bytesRead, goesOn);
    this.buffer = buffer;
    if (!goesOn) return this.memory.first;
    const bytesMax = this.handler?.readBytesMax ?? buffer.length;
    return bytesMax < buffer.length ? buffer.subarray(0, bytesMax) : buffer;
  }

  onReplyBegun(): void {
    this.handler?.onResponseStarted();
  }

  onReplyHead(head: ReplyHead): void {
    const { asking } = this;
    this.asking = null;
    if (head.status !== SWITCHING_PROTOCOLS) {
      this.handler?.onReplyHead(head.status, head, this.resumeNow);
    } else if (asking !== null) {
      this.openTunnel(head, asking);
    }
  }

  private openTunnel(head: ReplyHead, { tunnelKey, body }: UpstreamRequest): void {
    const mistake = mistakeOfTunnelHead(head, tunnelKey);
    if (mistake !== '') {
      this.onReplyBroken(mistake);
      return;
    }
    this.isTunnel = true;
    // Either side may end before the other.
    this.socket.allowHalfOpen = true;
    head.fields = fieldsOfTunnelHead(head.fields);
    this.handler?.onReplyHead(SWITCHING_PROTOCOLS, head, this.resumeNow);
    if (this.isClosed || !(body instanceof StreamedBody)) return;
    this.upload = new TunnelWriter(this.socket, body, this);
    body.flowTo(this.upload);
  }

  onUpEnded(): void {
    if (this.isDownEnded) this.endTunnel();
  }

  private onDownEnded(): void {
    this.isDownEnded = true;
    if (this.upload?.isComplete === true) this.endTunnel();
    else this.handler?.onReplyData(NO_BYTES, true);
  }

  /** Both ways have ended. What is written still goes out. */
  private endTunnel(): void {
    const { handler } = this;
    if (this.isClosed) return;
    this.handler = null;
    this.close();
    handler?.onComplete(NO_FIELDS);
  }

  onReplyInterim(head: ReplyHead): void {
    this.handler?.onReplyInterim(head.status, head.fields);
  }

  onReplyData(bytes: Buffer, isLast: boolean): boolean {
    return this.handler === null || this.handler.onReplyData(bytes, isLast);
  }

  onReplyEnd(isReusable: boolean, trailers: FieldBlock): void {
    if (this.isTunnel) {
      this.onDownEnded();
      return;
    }
    const { handler, upload } = this;
    this.handler = null;
    this.upload = null;
    this.state = IDLE;
    const isOver = !isReusable || this.hasWriteFailed || this.endsLater;
    if (isOver || upload?.isComplete === false) this.close();
    handler?.onComplete(trailers);
  }

  /** The exchange has ended before its request has: where the next one begins cannot be told. */
  onDropped(): void {
    if (this.upload !== null) this.fail(socketError('the request was given up'));
  }

  onReplyBroken(problem: string): void {
    const isOverflow = problem === HEAD_TOO_LARGE || problem === TOO_MANY_FIELDS;
    const code = isOverflow ? 'HPE_HEADER_OVERFLOW' : 'HPE_INVALID_REPLY';
    this.fail(new LeanConnectionError(code, `malformed reply: ${problem}`));
  }

  private resume(): void {
    if (!this.reader.isPaused) return;
    this.reader.resume();
    if (this.reader.isPaused || this.isClosed) return;
    this.socket.resume();
    if (this.endsLater) this.onEnd();
  }

  /** The target has closed its side. */
  onEnd(): void {
    // TLS says so to a reader that has stopped as well, ahead of what it holds back.
    this.endsLater = this.reader.isPaused;
    if (this.endsLater) return;
    if (!this.reader.finish()) this.onSocketError(socketError('other side closed'));
  }

  /** What the target sent before it stopped listening may be its reply. */
  onWriteFailed(): void {
    this.hasWriteFailed = true;
    this.upload?.stop();
  }

  onSocketError(error: Error): void {
    if (this.state === CLOSED) return;
    this.fail(this.address.tls === null ? error : this.errorOfTls(error));
  }

  onClosed(): void {
    if (!this.endsLater) this.onSocketError(socketError('closed'));
  }

  /** An error of the handshake is told apart from a connection that stood, and was lost. */
  private errorOfTls(error: Error): Error {
    if (error instanceof TargetTlsError) {
      this.address.tls?.forgetSession();
      return error;
    }
    const isFirst = this.served === 0 && !this.reader.hasBegun;
    const isHandshake = this.state === CONNECTING && this.isTcpConnected;
    if (isHandshake || (isFirst && isCertificateAlert(error))) {
      this.address.tls?.forgetSession();
      return handshakeError(error);
    }
    return isTlsError(error) ? socketError(`TLS failed: ${tlsReason(error)}`) : error;
  }

  /**
   * Ends the connection: an exchange that waited for a reply gets the error, and one that was not
   * sent yet goes to another connection.
   */
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
    handler?.onUnsent(socketError('closed'));
  }

  private close(): void {
    this.state = CLOSED;
    this.upload = null;
    this.reader.stop();
    this.endSocket();
    // In the midst of a read the next one is asked for still, and gets what is no block.
    this.memory.end(this.buffer);
    this.buffer = this.memory.begin();
  }

  /** A tunnel that did not end both ways is reset: its target is to see that. */
  private endSocket(): void {
    if (!this.isTunnel) this.socket.destroy();
    else if (this.isDownEnded && this.socket.writableEnded) this.socket.destroySoon();
    else if (this.address.tls === null) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }
}

function socketError(message: string): LeanConnectionError {
  return new LeanConnectionError('UND_ERR_SOCKET', message);
}
