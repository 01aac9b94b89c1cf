/**
 * One HTTP/2 connection to a target, plain or with TLS: a socket, and the streams on it.
 *
 * Thread: worker. Owned by its pool, which decides what is sent over it. Everything that is
 * written in one turn leaves in one write.
 *
 *     CONNECTING ──settings──► OPEN ──► CLOSED     and from anywhere: CLOSED
 *
 * Invariants: nothing is sent before the settings of the target are there, so that a target that
 * speaks something else, or nothing, is one that cannot be connected to. A stream that is opened is
 * told of its end by its connection, once. What waits for the socket is bounded: uploads wait with
 * their clients, and a target that lets answers pile up loses the connection.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FieldBlock } from '../../base/field-block.js';
import { fieldsMaxOf } from '../../wire/http1/reply-head-parser.js';
import { ClientConnection, REPLY_HEAD_TOO_LARGE } from '../../wire/http2/client-connection.js';
import type { ClientHandler } from '../../wire/http2/client-handler.js';
import type { ClientStream } from '../../wire/http2/client-stream.js';
import { errorName, NO_ERROR, SETTINGS_TIMEOUT } from '../../wire/http2/frame-kinds.js';
import type { ReplyFields } from '../../wire/http2/reply-fields.js';
import type { RequestStart } from '../../wire/http2/request-block.js';
import { SETTINGS_ACK_MS } from '../../wire/http2/stream-connection.js';
import { connectionLost, endedByTarget, Http2Error } from './http2-error.js';
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
  NO_HTTP2,
  TargetTlsError,
  tlsReason,
} from './tls-failure.js';

/** What a stream may bring before it is read: so much of a reply waits for a slow client. */
const STREAM_WINDOW_BYTES = 256 * 1024;
/** More than all streams together may hold, or slow ones would stop the others. */
const WINDOW_BYTES = 64 * 1024 * 1024;
/** While so much waits for the socket, uploads wait too. */
const OUTPUT_BYTES_MAX = 256 * 1024;
/**
 * This many requests that were given up retire a connection. Targets count resets, and end a
 * connection that brings too many: one client that gives up often would take others along.
 */
const RESETS_MAX = 200;
/** A request that is given up sooner says nothing of the target. */
const DOUBT_MS = 1000;
const PING_PAYLOAD: Buffer = Buffer.from('are you?', 'latin1');
/** By ALPN. */
export const HTTP2_PROTOCOL = 'h2';

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;
type ConnectionState = typeof CONNECTING | typeof OPEN | typeof CLOSED;

/** How connections to a target are made and kept. */
export interface Http2Settings {
  readonly address: TargetAddress;
  readonly connectMs: number;
  /** Streams that are opened at once on one connection, if the target allows as many. */
  readonly streamsMax: number;
  /** The target may choose HTTP/1.1. */
  readonly mayFallBack: boolean;
}

/** Who has a stream of the connection. */
export interface StreamUser {
  onHead(head: ReplyFields): void;
  onInterim(status: number, fields: FieldBlock): void;
  /** `isLast`: onEnd() follows at once. */
  onData(bytes: Buffer, isLast: boolean): void;
  onEnd(trailers: FieldBlock): void;
  onReset(stream: ClientStream, code: number, reason: string): void;
  /** There is room in the target's windows, or in the socket. */
  pump(): void;
}

/** Who keeps the connection. */
export interface Http2ConnectionOwner {
  nowMs(): number;
  /** The socket is there, and its peer is who it should be. */
  onConnected(): void;
  /** It may take more requests than before. */
  onRoom(connection: Http2Connection): void;
  /** It is closed. `wasOpen`: requests could be sent over it. */
  onGone(connection: Http2Connection, error: Error, wasOpen: boolean): void;
  /** The target has chosen HTTP/1.1 by ALPN; the connection is closed. */
  onHttp1(connection: Http2Connection): void;
}

export class Http2Connection implements TargetSocketListener {
  /** Streams that were opened. */
  served = 0;
  /** Until when it must stand, while it connects. */
  expiresMs = Number.POSITIVE_INFINITY;
  connectedMs = 0;
  /** Since when no stream is open. */
  idleMs = 0;
  /** It takes no more requests, and ends with those that it has. */
  isRetiring = false;

  private state: ConnectionState = CONNECTING;
  private readonly socket: Socket;
  private readonly http: ClientConnection;
  private isTcpConnected = false;
  /** The socket can be written to, and its peer is who it should be. */
  private isReady = false;
  /** What is read into. */
  private buffer: Buffer;
  private bytesRead = 0;
  /** When something was read last. */
  private readMs = 0;
  /** When the answer to a PING must be there; Infinity: none is awaited. */
  private pongByMs = Number.POSITIVE_INFINITY;
  /** Streams that were given up. */
  private resets = 0;
  private isFlushPlanned = false;
  /** Bytes that the socket was given and has not sent. */
  private isWriting = false;
  /** Uploads that wait for the socket. */
  private waiting = new Set<StreamUser>();
  /** Why the connection is over, as its streams are told. */
  private lostBy: Error | null = null;
  private readonly flushNow = (): void => this.flush();
  private readonly onWritten = (): void => this.onSocketTook();

  constructor(
    readonly serial: number,
    private readonly settings: Http2Settings,
    private readonly memory: ReadMemory,
    readonly owner: Http2ConnectionOwner,
  ) {
    const { replyHeadBytes } = settings.address;
    const options = {
      streamsMax: settings.streamsMax,
      streamWindowBytes: STREAM_WINDOW_BYTES,
      windowBytes: WINDOW_BYTES,
      limits: { bytesMax: replyHeadBytes, fieldsMax: fieldsMaxOf(replyHeadBytes) },
    };
    this.http = new ClientConnection(options, this.eventsOf(), owner.nowMs());
    this.buffer = memory.begin();
    this.socket = openTargetSocket(settings.address, this);
  }

  get isConnecting(): boolean {
    return this.state === CONNECTING;
  }

  get isClosed(): boolean {
    return this.state === CLOSED;
  }

  /** Streams that are open. */
  get load(): number {
    return this.http.streams.size;
  }

  /** Another request can be sent over it now. */
  get isFree(): boolean {
    return this.isUsable && this.http.canRequest;
  }

  /** It will take another request, at the latest when one that is under way has ended. */
  get isUsable(): boolean {
    return this.state === OPEN && !this.isRetiring && !this.isInDoubt && this.http.mayRequest;
  }

  /** The target allows no stream at all for the time being. */
  get isShut(): boolean {
    return this.http.streamsMax === 0;
  }

  /** Tunnels can be opened over it (RFC 8441). */
  get takesTunnels(): boolean {
    return this.http.mayConnect;
  }

  /** Nothing came for too long, and the target was asked whether it is there. */
  private get isInDoubt(): boolean {
    return this.pongByMs !== Number.POSITIVE_INFINITY;
  }

  // ── requests ──

  request(start: RequestStart, fields: readonly string[], ends: boolean): ClientStream {
    this.served++;
    this.planFlush();
    return this.http.request(start, fields, ends);
  }

  sendData(stream: ClientStream, bytes: Uint8Array, ends: boolean): number {
    this.planFlush();
    return this.http.sendData(stream, bytes, ends);
  }

  sendEnd(stream: ClientStream, trailers: FieldBlock): void {
    this.planFlush();
    this.http.sendEnd(stream, trailers);
  }

  credit(stream: ClientStream, bytes: number): void {
    this.planFlush();
    this.http.credit(stream, bytes);
  }

  reset(stream: ClientStream, code: number): void {
    if (stream.isOver) return;
    this.planFlush();
    this.http.reset(stream, code);
    if (code !== NO_ERROR && ++this.resets >= RESETS_MAX) this.isRetiring = true;
    this.settle();
  }

  /** Uploads may write. */
  get hasRoom(): boolean {
    return this.http.outputBytes + this.socket.writableLength < OUTPUT_BYTES_MAX;
  }

  /** Calls pump() when there is room in the socket. */
  awaitRoom(slot: StreamUser): void {
    this.waiting.add(slot);
    this.planFlush();
  }

  /** A request that was sent at `sentMs` is not waited for any more, and had no reply. */
  onGivenUp(sentMs: number): void {
    const { connectMs } = this.settings;
    const silentSinceMs = Math.max(this.readMs, sentMs);
    const isLong = this.owner.nowMs() - silentSinceMs >= Math.min(DOUBT_MS, connectMs);
    if (this.readMs <= sentMs && isLong) this.ask(connectMs);
  }

  /** Asks the target for a sign of life; without one in time the connection is over. */
  ask(timeoutMs: number): void {
    if (this.isInDoubt || this.state !== OPEN) return;
    this.pongByMs = this.owner.nowMs() + timeoutMs;
    this.http.ping(PING_PAYLOAD);
    this.planFlush();
  }

  /** How long nothing came. */
  silentMs(nowMs: number): number {
    return nowMs - this.readMs;
  }

  // ── its owner ──

  /** Looks at what is due. */
  onTick(nowMs: number): void {
    if (this.pongByMs <= nowMs) this.fail(connectionLost('the target does not answer a PING'));
    else if (this.isConnecting && this.expiresMs <= nowMs) this.giveUpConnecting();
    else if (this.state === OPEN && nowMs - this.connectedMs >= SETTINGS_ACK_MS) this.checkAck();
  }

  private checkAck(): void {
    if (!this.http.isAcknowledged) this.http.fail(SETTINGS_TIMEOUT, 'it ignores SETTINGS');
  }

  private giveUpConnecting(): void {
    this.fail(new Http2Error('UND_ERR_CONNECT_TIMEOUT', 'connect timeout'));
  }

  /** Takes no more requests; closes when the last stream has ended. */
  retire(): void {
    this.isRetiring = true;
    this.closeIfDone();
  }

  // ── the socket ──

  nowMs(): number {
    return this.owner.nowMs();
  }

  onTcpConnected(): void {
    this.isTcpConnected = true;
  }

  onConnected(): void {
    if (this.state !== CONNECTING) return;
    const { tls } = this.settings.address;
    if (tls !== null && (this.socket as TLSSocket).alpnProtocol !== HTTP2_PROTOCOL) {
      this.onOtherProtocol();
      return;
    }
    this.isReady = true;
    this.owner.onConnected();
    this.flush();
  }

  private onOtherProtocol(): void {
    if (this.settings.mayFallBack) {
      this.close();
      this.owner.onHttp1(this);
      return;
    }
    const reason = 'it does not agree to speak HTTP/2 (ALPN)';
    this.fail(new TargetTlsError(NO_HTTP2, reason));
  }

  onBytes(bytes: number): boolean {
    if (this.state === CLOSED) return true;
    const nowMs = this.owner.nowMs();
    this.readMs = nowMs;
    // Whatever comes is a sign of life; the answer itself may wait behind a long body.
    this.pongByMs = Number.POSITIVE_INFINITY;
    this.bytesRead = bytes;
    this.http.receive(this.buffer.subarray(0, bytes), nowMs);
    this.settle();
    this.flush();
    return true;
  }

  /** Long bodies are read into blocks; a connection without streams keeps none. */
  nextBuffer(): Buffer {
    const goesOn = this.state === OPEN && this.http.streams.size > 0;
    this.buffer = this.memory.next(this.buffer, this.bytesRead, goesOn);
    return this.buffer;
  }

  private planFlush(): void {
    if (this.isFlushPlanned) return;
    this.isFlushPlanned = true;
    queueMicrotask(this.flushNow);
  }

  /** While the socket is busy what is to be written waits, and leaves in one piece. */
  private flush(): void {
    this.isFlushPlanned = false;
    if (this.state === CLOSED || !this.isReady) return;
    if (this.isWriting && this.socket.writableLength >= OUTPUT_BYTES_MAX) return;
    const output = this.http.takeOutput();
    if (output === null) return;
    this.isWriting = true;
    this.socket.write(output, this.onWritten);
  }

  private onSocketTook(): void {
    if (this.state === CLOSED) return;
    this.isWriting = this.socket.writableLength > 0;
    this.flush();
    if (this.waiting.size === 0 || !this.hasRoom) return;
    const { waiting } = this;
    this.waiting = new Set();
    for (const slot of waiting) slot.pump();
  }

  /** The target has closed its side, and may have said why. */
  onEnd(): void {
    this.onSocketError(this.farewell());
  }

  private farewell(): Error {
    const { isGoingAway, goAwayCode } = this.http;
    if (!isGoingAway) return connectionLost('other side closed');
    return endedByTarget(`the target has sent GOAWAY: ${errorName(goAwayCode)}`, goAwayCode);
  }

  onWriteFailed(): void {
    // What is to be read says what became of the connection.
  }

  onSocketError(error: Error): void {
    if (this.state === CLOSED) return;
    this.fail(this.settings.address.tls === null ? error : this.errorOfTls(error));
  }

  onClosed(): void {
    this.onSocketError(connectionLost('closed'));
  }

  /** Until its settings are there the target may still refuse a certificate. */
  private errorOfTls(error: Error): Error {
    if (error instanceof TargetTlsError) {
      this.settings.address.tls?.forgetSession();
      return error;
    }
    const isHandshake = this.isTcpConnected && !this.isReady;
    if (isHandshake || (this.state === CONNECTING && isCertificateAlert(error))) {
      this.settings.address.tls?.forgetSession();
      return handshakeError(error);
    }
    return isTlsError(error) ? connectionLost(`TLS failed: ${tlsReason(error)}`) : error;
  }

  // ── the end ──

  /** What its streams are told when the connection, or one of them, has ended for this reason. */
  failureOf(reason: string): Error {
    if (this.lostBy !== null) return this.lostBy;
    const isOverflow = reason === REPLY_HEAD_TOO_LARGE;
    const code = isOverflow ? 'HPE_HEADER_OVERFLOW' : 'HPE_INVALID_REPLY';
    return new Http2Error(code, `malformed reply: ${reason}`);
  }

  /** Ends the connection, and all that is under way on it. */
  private fail(error: Error): void {
    if (this.state === CLOSED) return;
    const wasOpen = this.state === OPEN;
    this.lostBy = error;
    this.close();
    this.http.lose(error.message);
    this.owner.onGone(this, error, wasOpen);
  }

  /** The target has made a mistake: it is told of it, and its streams were. */
  private onMistakeOfTarget(reason: string): void {
    if (this.state === CLOSED) return;
    const wasOpen = this.state === OPEN;
    const error = this.failureOf(reason);
    this.closeGently();
    this.owner.onGone(this, error, wasOpen);
  }

  private closeIfDone(): void {
    if (this.state !== OPEN || this.load > 0) return;
    if (!this.isRetiring && !this.http.isGoingAway) return;
    const error = this.isRetiring ? connectionLost('closed') : this.farewell();
    this.http.sayGoodbye();
    this.closeGently();
    // One that only says farewell would be opened for ever.
    this.owner.onGone(this, error, this.isRetiring || this.served > 0);
  }

  /** What is to be written still goes out. */
  private closeGently(): void {
    const output = this.http.takeOutput();
    if (output !== null && !this.socket.destroyed) this.socket.write(output);
    this.socket.destroySoon();
    this.forget();
  }

  private close(): void {
    this.socket.destroy();
    this.forget();
  }

  private forget(): void {
    this.state = CLOSED;
    this.waiting.clear();
    // In the midst of a read the next one is asked for still, and gets what is no block.
    this.memory.end(this.buffer);
    this.buffer = this.memory.begin();
  }

  /** A stream has ended: there may be room for another one. */
  private settle(): void {
    if (this.state !== OPEN) return;
    if (this.load === 0) this.idleMs = this.owner.nowMs();
    this.closeIfDone();
    if (!this.isClosed) this.owner.onRoom(this);
  }

  // ── the target ──

  private onSettings(): void {
    if (this.state !== CONNECTING) return;
    this.state = OPEN;
    this.connectedMs = this.owner.nowMs();
  }

  private eventsOf(): ClientHandler {
    return {
      onHead: (stream, head) => slotOf(stream)?.onHead(head),
      onInterim: (stream, status, fields) => slotOf(stream)?.onInterim(status, fields),
      onData: (stream, bytes, isLast) => this.onData(stream, bytes, isLast),
      onEnd: (stream, trailers) => slotOf(stream)?.onEnd(trailers),
      onReset: (stream, code, reason) => slotOf(stream)?.onReset(stream, code, reason),
      onWindow: (stream) => slotOf(stream)?.pump(),
      onSettings: () => this.onSettings(),
      onGoAway: () => {
        // isUsable and closeIfDone() look at it.
      },
      onPong: () => {
        // It came, which is enough.
      },
      onMistake: () => {
        // The try is told of it.
      },
      onClose: (_code, reason) => this.onMistakeOfTarget(reason),
    };
  }

  private onData(stream: ClientStream, bytes: Buffer, isLast: boolean): void {
    const slot = slotOf(stream);
    if (slot === null) this.http.credit(stream, bytes.length);
    else slot.onData(bytes, isLast);
  }
}

function slotOf(stream: ClientStream): StreamUser | null {
  return stream.owner as StreamUser | null;
}
