/**
 * One HTTP/2 connection of a client: its streams, and what they share.
 *
 * Thread: acceptor. Owns the socket and the codec of the connection (wire/http2). Each stream is a
 * ClientSocket of its own (http2-stream-socket.ts). What is to be written leaves in one piece at
 * the end of a turn, or of a read, while the socket takes it; until it does nothing more is
 * written, and streams keep their replies.
 *
 *     OPEN ──► CLOSING (GOAWAY was sent, and all replies) ──► GONE
 *
 * Invariant: nothing that a client does throws past this object, and a stream never ends another
 * one: but for what the RFC calls an error of the connection, and for floods.
 */
import type { Socket } from 'node:net';
import type { FieldBlock } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import type { RequestOrigin } from '../../wire/http1/request-head.js';
import { NO_ERROR, PROTOCOL_ERROR, SETTINGS_TIMEOUT } from '../../wire/http2/frame-kinds.js';
import type { Http2RequestHead } from '../../wire/http2/request-fields.js';
import { ServerConnection } from '../../wire/http2/server-connection.js';
import type { ServerHandler } from '../../wire/http2/server-handler.js';
import type { ServerOptions } from '../../wire/http2/server-options.js';
import type { ServerStream } from '../../wire/http2/server-stream.js';
import { SETTINGS_ACK_MS } from '../../wire/http2/stream-connection.js';
import type { ListenerHost } from '../client-engine.js';
import { ClientWatch, STALLED_MS } from './client-watch.js';
import { CLOSING_BYTES_MAX, CLOSING_MS, NEVER } from './connection-state.js';
import { DataPieces } from './data-pieces.js';
import { takeReads } from './direct-socket.js';
import { Http2Request } from './http2-request.js';
import { Http2StreamSocket, type StreamOwner } from './http2-stream-socket.js';
import { ReplyWindows } from './reply-windows.js';
import { SocketWriter, type WriterOwner } from './socket-writer.js';
import type { TurnWriter, WireContext } from './wire-context.js';
import type { SocketPair, WireGuest } from './wire-guest.js';

const OPEN = 0;
const CLOSING = 1;
const GONE = 2;
type State = typeof OPEN | typeof CLOSING | typeof GONE;

const OPTIONS: Omit<ServerOptions, 'streamsMax'> = {
  streamWindowBytes: 256 * 1024,
  windowBytes: 2 * 1024 * 1024,
  mayConnect: true,
};

/** With this much to be written it is not kept until the end of the turn. */
const WRITE_BYTES = 64 * 1024;
/** A client that does not answer the first GOAWAY gets the second one after this time. */
const DRAIN_STEP_MS = 1000;

/** Says whether this connection may carry requests for a host. */
export type HostRule = (host: string) => boolean;

/** What holds for all requests of a connection. */
export interface Http2Facts {
  readonly origin: RequestOrigin;
  readonly servesHost: HostRule;
}

export class Http2Connection
  implements ServerHandler, StreamOwner, WireGuest, WriterOwner, TurnWriter
{
  readonly codec: ServerConnection;
  readonly windows: ReplyWindows;

  /** For the watch: a client can be asked at any time. */
  readonly isBegun = false;
  private readonly socket: Socket;
  private readonly servesHost: HostRule;
  private state: State = OPEN;
  private readonly writer: SocketWriter;
  private readonly watch: ClientWatch;
  private readonly request: Http2Request;
  private readonly pieces = new DataPieces();
  /** Streams with something to send, in the order of their turns. */
  private readonly waiting = new Set<Http2StreamSocket>();
  /** The connection ends if nothing else happens: on the context's coarse clock. */
  private deadlineMs: number;
  /** A frame or a header block must be complete. */
  private headDeadlineMs = NEVER;
  /** When the second GOAWAY is due; NEVER: the first one was not sent. */
  private drainMs = NEVER;
  /** When the client must have acknowledged the settings. */
  private readonly ackByMs: number;
  private requests = 0;
  /** No stream is open, and the deadline is that of an idle connection. */
  private isIdle = false;
  private skipLeft = CLOSING_BYTES_MAX;
  private isFlushDue = false;
  /** The owner ends the connection: no mistake of the client. */
  private isShutDown = false;
  /** The host of the last request, which was found to be right. */
  private knownHost = '';

  constructor(
    { raw, socket }: SocketPair,
    private readonly host: ListenerHost,
    readonly context: WireContext,
    { origin, servesHost }: Http2Facts,
  ) {
    this.socket = socket;
    this.servesHost = servesHost;
    this.request = new Http2Request(origin.peer);
    this.writer = new SocketWriter(socket, context.memory, this);
    this.watch = new ClientWatch(raw, this);
    const rules = context.rulesFor(host.settings);
    const { nowMs, headNumbers: numbers } = context;
    const { headMs, http2 } = host.settings;
    const options = { ...OPTIONS, streamsMax: http2.streamsMax };
    this.codec = new ServerConnection(options, this, { rules, origin, nowMs, numbers });
    this.windows = new ReplyWindows(http2.unsentMax);
    this.ackByMs = context.deadlineIn(headMs + SETTINGS_ACK_MS);
    this.deadlineMs = context.deadlineIn(headMs);
    const onGone = (): void => this.guard(this.leave);
    socket.on('error', onGone).on('close', onGone);
    socket.on('end', () => this.guard(this.onClientEnd));
    takeReads(socket, (bytes) => this.onBytes(bytes));
    this.flush();
  }

  // What the socket brings.

  private onBytes(bytes: Buffer): void {
    try {
      this.takeBytes(bytes);
    } catch (error) {
      this.onBroken(error);
    }
  }

  private guard(step: () => void): void {
    try {
      step.call(this);
    } catch (error) {
      this.onBroken(error);
    }
  }

  /** A mistake of ours: the connection ends. */
  onBroken(error: unknown): void {
    this.context.onError(error);
    this.leave();
  }

  // Hot path (bench/gateway/plain-get): once for every read.
  private takeBytes(bytes: Buffer): void {
    if (this.state !== OPEN) {
      this.skipLeft -= bytes.length;
      if (this.skipLeft < 0) this.leave();
      return;
    }
    const { codec, context } = this;
    codec.adopt(context.rulesFor(this.host.settings));
    this.pieces.begin(bytes);
    codec.receive(bytes, context.nowMs);
    this.pieces.finish();
    if (!codec.isInHead) this.headDeadlineMs = NEVER;
    else if (this.headDeadlineMs === NEVER) {
      this.headDeadlineMs = context.deadlineIn(this.host.settings.headMs);
    }
    this.flush();
  }

  /** The client has closed its side: who waits for a reply may still read it. */
  private onClientEnd(): void {
    this.watch.end(this.context.nowMs);
    for (const stream of [...this.codec.streams.values()]) {
      if (stream.isRemoteClosed) continue;
      this.codec.reset(stream, NO_ERROR);
      streamOf(stream)?.onGone();
    }
    this.flush();
  }

  /** The client is gone, or is given up. */
  private leave(): void {
    if (this.state === GONE) return;
    const streams = [...this.codec.streams.values()];
    this.state = GONE;
    this.deadlineMs = NEVER;
    this.waiting.clear();
    this.socket.destroy();
    for (const stream of streams) streamOf(stream)?.onGone();
  }

  // What the codec says.

  onHead(stream: ServerStream, head: Http2RequestHead): void {
    const { request, host } = this;
    const own = new Http2StreamSocket(this, stream, head);
    stream.owner = own;
    this.isIdle = false;
    this.deadlineMs = NEVER;
    this.requests += 1;
    request.take(head);
    request.receivedMs = this.context.clock.nowMs();
    request.listener = host.settings.index;
    request.replyWindow = own.window;
    if (!this.isServed(head.host)) {
      request.refuse(PROBLEMS.misdirected, 'a host of another certificate');
    }
    host.onRequest(request, own);
    const { keepAliveRequests } = host.settings;
    if (keepAliveRequests > 0 && this.requests >= keepAliveRequests) this.drain();
  }

  /** RFC 9113 9.1.1: a client may use a connection for further names of its certificate only. */
  private isServed(host: string): boolean {
    if (host === this.knownHost) return true;
    if (!this.servesHost(host)) return false;
    this.knownHost = host;
    return true;
  }

  onData(stream: ServerStream, bytes: Buffer, isLast: boolean): void {
    const own = streamOf(stream);
    if (own !== null) this.pieces.add(own, bytes, isLast);
  }

  onEnd(stream: ServerStream, trailers: FieldBlock): void {
    this.pieces.flush();
    streamOf(stream)?.onEnd(trailers);
  }

  onReset(stream: ServerStream): void {
    this.pieces.flush();
    streamOf(stream)?.onGone();
  }

  onWindow(stream: ServerStream): void {
    const own = streamOf(stream);
    if (own !== null) this.waiting.add(own);
  }

  onMalformed(method: string, target: string, reason: string): void {
    const { peer, protocol } = this.request;
    this.host.onMalformed({ method, target, peer, protocol, reason });
  }

  onMistake(reason: string): void {
    this.host.onMistake(reason);
  }

  onClose(_code: number, reason: string): void {
    if (!this.isShutDown) this.host.onMistake(reason);
  }

  // What streams want.

  get canWrite(): boolean {
    return !this.writer.isBlocked;
  }

  get bodyIdleMs(): number {
    return this.host.settings.bodyIdleMs;
  }

  awaitSocket(stream: Http2StreamSocket): void {
    this.waiting.add(stream);
  }

  // Hot path (bench/gateway/plain-get): every part of a reply.
  onChange(): void {
    if (this.codec.outputBytes >= WRITE_BYTES) this.write();
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    this.context.flushLater(this);
  }

  /** Writes what there is, and looks what becomes of the connection. */
  flush(): void {
    this.isFlushDue = false;
    if (this.state !== OPEN) return;
    try {
      if (this.host.isDraining) this.drain();
      this.pump();
      this.write();
      this.look();
    } catch (error) {
      this.onBroken(error);
    }
  }

  /** Each stream that waits sends a slice, again and again. */
  private pump(): void {
    const { waiting } = this;
    for (const stream of waiting) {
      if (!this.canWrite) return;
      waiting.delete(stream);
      // Behind the others: the set goes on to it.
      if (!stream.pump()) waiting.add(stream);
    }
  }

  private write(): void {
    if (this.state !== OPEN) return;
    while (!this.writer.isBlocked) {
      const output = this.codec.takeOutput();
      if (output === null) return;
      this.writer.sendConstant(output);
    }
  }

  private look(): void {
    const { codec } = this;
    if (codec.isClosed) this.beginClosing();
    else if (codec.streams.size > 0 || !codec.isBegun) return;
    else if (codec.isDrained || this.watch.hasEnded) this.beginClosing();
    else if (!this.isIdle) this.beginIdle();
  }

  private beginIdle(): void {
    this.isIdle = true;
    this.deadlineMs = this.context.deadlineIn(this.host.settings.idleMs);
  }

  private beginClosing(): void {
    this.state = CLOSING;
    this.waiting.clear();
    this.headDeadlineMs = NEVER;
    const isWritten = this.writer.isEmpty;
    this.deadlineMs = this.context.deadlineIn(isWritten ? CLOSING_MS : STALLED_MS);
    this.writer.end();
  }

  // What the writer says.

  onTaken(): void {}

  onUnblocked(): void {
    this.flush();
  }

  // What the watch asks.

  get isBlocked(): boolean {
    return this.writer.isBlocked;
  }

  get flushes(): number {
    return this.writer.flushes;
  }

  takeHasWritten(): boolean {
    const { hasWritten } = this.writer;
    this.writer.hasWritten = false;
    return hasWritten;
  }

  /** Where HTTP/1.1 asks by a head before the reply. */
  sendInterim(): void {
    this.codec.ping();
    this.write();
  }

  // What time brings, and what the listener wants.

  onTick(nowMs: number): void {
    try {
      this.codec.atTime(nowMs);
      if (nowMs >= this.deadlineMs) this.onDeadline();
      else if (this.state === OPEN) this.lookAtStreams(nowMs);
      if (this.state !== GONE && this.isLost(nowMs)) this.leave();
    } catch (error) {
      this.onBroken(error);
    }
  }

  private lookAtStreams(nowMs: number): void {
    const { codec } = this;
    if (nowMs >= this.headDeadlineMs) codec.fail(PROTOCOL_ERROR, 'a head that came too slowly');
    if (nowMs >= this.ackByMs && !codec.isAcknowledged) {
      codec.fail(SETTINGS_TIMEOUT, 'settings that were not acknowledged in time');
    }
    if (nowMs >= this.drainMs) codec.endDrain();
    for (const stream of [...codec.streams.values()]) streamOf(stream)?.onTick(nowMs);
    this.flush();
  }

  private isLost(nowMs: number): boolean {
    const { halfCloseMs } = this.host.settings;
    return this.watch.isStalled(nowMs) || this.watch.isGone(nowMs, halfCloseMs, true);
  }

  private onDeadline(): void {
    this.deadlineMs = NEVER;
    if (this.state === CLOSING) this.leave();
    else if (this.codec.isBegun) {
      this.drain();
      this.flush();
    } else {
      this.host.onMistake('no preface of HTTP/2 in time');
      this.beginClosing();
    }
  }

  get unsentBytes(): number {
    return this.writer.unsentBytes + this.codec.outputBytes + this.windows.keptBytes;
  }

  get streamCount(): number {
    return this.codec.streams.size;
  }

  stalledForMs(nowMs: number): number {
    const { blockedSinceMs } = this.codec;
    const waitMs = blockedSinceMs === -1 ? 0 : nowMs - blockedSinceMs;
    return Math.max(this.watch.stalledForMs(nowMs), waitMs);
  }

  /** Streams may stall alone, whose windows their client has closed. */
  giveUp(nowMs: number, stalledMsMin: number): void {
    if (this.watch.stalledForMs(nowMs) >= stalledMsMin) {
      this.guard(this.leave);
      return;
    }
    for (const stream of [...this.codec.streams.values()]) {
      const own = streamOf(stream);
      this.guard(() => own?.giveUpIfBlocked(nowMs, stalledMsMin));
    }
    this.flush();
  }

  get isNew(): boolean {
    return this.state === OPEN && !this.codec.isBegun;
  }

  onDrain(): boolean {
    if (this.state !== OPEN || this.drainMs !== NEVER) return false;
    this.guard(this.drain);
    this.flush();
    return true;
  }

  /** Ends the connection behind its streams, in two steps: see ReplySide.goAway(). */
  private drain(): void {
    if (this.drainMs !== NEVER) return;
    this.drainMs = this.context.nowMs + DRAIN_STEP_MS;
    this.codec.goAway();
  }

  /** What the socket takes at once still goes out. */
  shutDown(): void {
    if (this.state === GONE) return;
    this.isShutDown = true;
    this.guard(() => {
      this.codec.fail(NO_ERROR, '');
      this.write();
    });
    this.state = GONE;
    if (this.writer.isBlocked) this.socket.destroy();
    else this.socket.destroySoon();
  }
}

function streamOf({ owner }: ServerStream): Http2StreamSocket | null {
  return owner instanceof Http2StreamSocket ? owner : null;
}
