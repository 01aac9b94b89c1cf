/**
 * One HTTP/1.1 connection of a client: its requests one after the other, and their replies.
 *
 * Thread: acceptor. Owns the socket and what the connection is in the middle of. One exchange at a
 * time: what a client sends ahead is kept, within bounds, until the reply before it is written.
 *
 *     HEAD ──► BODY ──► WAIT ──► HEAD … ──► CLOSING ──► GONE
 *       └──────────────► WAIT ──► TUNNEL ──────────────► GONE
 *       └──► SKIP (what follows a mistake) ──► CLOSING ─► GONE
 *
 * Invariants: behind a request that was refused nothing is read as a request. A connection that is
 * closed in order stops sending, reads on for a while, and closes then: a reset would take the
 * reply from the client as well. Nothing that a client does throws past this object.
 */
import type { Socket } from 'node:net';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { WINDOW_CREDIT_BYTES } from '../../channel/lane.js';
import { FLAG_BODILESS, FLAG_END, FLAG_TUNNEL } from '../../channel/records/record-kind.js';
import {
  BODY_UNTIL_CLOSE,
  CHUNK_EXTRA_BYTES,
  CONTINUE_HEAD,
  interimHead,
  REPLY_BODILESS,
  REPLY_CLOSES,
  REPLY_END_BYTES,
  REPLY_HEAD_EXTRA_BYTES,
  ReplyWriter,
} from '../../wire/http1/reply-writer.js';
import { HTTP_1_0, type RequestHead, type RequestOrigin } from '../../wire/http1/request-head.js';
import {
  REQUEST_DATA,
  REQUEST_END,
  REQUEST_HEAD,
  REQUEST_MORE,
  REQUEST_REFUSED,
  RequestParser,
} from '../../wire/http1/request-parser.js';
import type {
  ClientListener,
  ClientSocket,
  EngineCapabilities,
  ListenerHost,
  ReplyClosing,
  ReplyHead,
} from '../client-engine.js';
import { PendingBytes } from './pending-bytes.js';
import { SocketWriter, STALLED_MS, type WriterOwner } from './socket-writer.js';
import type { WireContext } from './wire-context.js';

/** Between requests, or in the middle of a head. */
const HEAD = 0;
/** The head was read, and its body comes. */
const BODY = 1;
/** The request is complete; its reply is not. */
const WAIT = 2;
/** What comes cannot be read as requests: it is thrown away, and the exchange counts it. */
const SKIP = 3;
/** The replies are written. What comes is thrown away until the client closes its side too. */
const CLOSING = 4;
const TUNNEL = 5;
const GONE = 6;
type ConnectionState =
  | typeof HEAD
  | typeof BODY
  | typeof WAIT
  | typeof SKIP
  | typeof CLOSING
  | typeof TUNNEL
  | typeof GONE;

const NEVER = Number.POSITIVE_INFINITY;

/** A connection that the gateway has closed waits this long for its client to close it too. */
export const CLOSING_MS = 2000;
/** And reads at most so many bytes of what comes meanwhile. */
const CLOSING_BYTES_MAX = 256 * 1024;

/**
 * A client that has closed its own side may still read, or may be gone: that shows only when
 * something is sent to it. After this long without anything to send it counts as gone.
 */
export const HALF_CLOSED_MS = 2000;

const CAPABILITIES: EngineCapabilities = {
  trailers: true,
  interimHeads: true,
  tunnels: true,
  bodyTimer: true,
};

/** What frames a piece of a body, and its end. */
const PIECE_EXTRA_BYTES = CHUNK_EXTRA_BYTES + REPLY_END_BYTES;

const NO_BYTES = Buffer.alloc(0);

export class Http1Connection implements ClientSocket, WriterOwner {
  readonly capabilities = CAPABILITIES;

  private state: ConnectionState = HEAD;
  private readonly parser: RequestParser;
  private readonly reply = new ReplyWriter();
  private readonly writer: SocketWriter;
  private readonly pending = new PendingBytes();
  /** Of the exchange in flight, or of one that lingers. */
  private listener: ClientListener | null = null;
  /** What happens next if nothing else does: on the context's coarse clock. */
  private deadlineMs: number;

  private requests = 0;
  /** A byte of the head that is being read has come. */
  private hasHeadBegun = false;
  /** Bytes are being read right now. */
  private isReading = false;
  private isReplyBegun = false;
  private isReplyOver = false;
  /** All of the reply was handed over; it ends when the connection is not blocked any more. */
  private isEndDue = false;
  /** Nothing follows the reply. */
  private closes = false;
  private isPauseWanted = false;
  private isPaused = false;
  /** The client has closed its side. */
  private isHalfClosed = false;
  private halfClosedMs = NEVER;
  /** Bytes of the request that are left to be thrown away; NEVER: not known. */
  private skipLeft = NEVER;
  private uncredited = 0;

  constructor(
    private readonly socket: Socket,
    private readonly host: ListenerHost,
    private readonly context: WireContext,
    origin: RequestOrigin,
  ) {
    this.parser = new RequestParser(context.rules, origin);
    this.writer = new SocketWriter(socket, context.memory, this);
    this.deadlineMs = context.deadlineIn(host.settings.headMs);
    socket.on('data', (bytes: Buffer) => this.onBytes(bytes));
    socket.on('end', () => this.guard(this.onClientEnd));
    socket.on('timeout', () => this.guard(this.leave));
    socket.on('close', () => this.guard(this.leave));
  }

  // What the socket brings.

  private onBytes(bytes: Buffer): void {
    try {
      this.takeBytes(bytes);
    } catch (error) {
      this.breakOff(error);
    }
  }

  /** Calls a method of this object. */
  private guard(step: () => void): void {
    try {
      step.call(this);
    } catch (error) {
      this.breakOff(error);
    }
  }

  /** A mistake of ours: the connection ends. */
  private breakOff(error: unknown): void {
    this.context.onError(error);
    this.leave();
  }

  private takeBytes(bytes: Buffer): void {
    if (!this.isReading && this.pending.isEmpty && this.canRead) this.read(bytes);
    else if (this.state === HEAD || this.state === BODY || this.state === WAIT) this.keep(bytes);
    else this.throwAway(bytes);
  }

  /** A blocked client gets no further request in: its replies would pile up. */
  private get canRead(): boolean {
    return this.state === BODY || (this.state === HEAD && !this.writer.isBlocked);
  }

  // Hot path (bench/gateway/plain-get): once for every read.
  private read(bytes: Buffer): void {
    const end = bytes.length;
    let at = 0;
    this.isReading = true;
    try {
      while (at < end && this.canRead) at = this.step(bytes, at, end);
    } finally {
      this.isReading = false;
    }
    if (at === end) return;
    const rest = bytes.subarray(at);
    if (this.state === HEAD || this.state === WAIT) this.pending.putBack(rest);
    else this.throwAway(rest);
    this.applyPause();
  }

  /** Returns where to go on. */
  private step(bytes: Buffer, at: number, end: number): number {
    const { parser } = this;
    if (parser.isComplete && this.state === HEAD) parser.rules = this.context.rules;
    const event = parser.step(bytes, at, end);
    switch (event) {
      case REQUEST_MORE:
        this.onMore();
        break;
      case REQUEST_HEAD:
        this.onHead(parser.head);
        break;
      case REQUEST_DATA:
        this.onBody(bytes);
        break;
      case REQUEST_END:
        this.onBodyEnd();
        break;
      case REQUEST_REFUSED:
        this.onRefused(parser.problem ?? PROBLEMS.badFraming);
        break;
      default:
        event satisfies never;
    }
    return parser.at;
  }

  private onMore(): void {
    if (this.state !== HEAD || this.hasHeadBegun || this.parser.isIdle) return;
    this.hasHeadBegun = true;
    this.deadlineMs = this.context.deadlineIn(this.host.settings.headMs);
  }

  private onHead(head: RequestHead): void {
    const isWhole = this.parser.isComplete;
    this.state = isWhole ? WAIT : BODY;
    if (isWhole) this.deadlineMs = NEVER;
    else this.awaitBody();
    this.beginExchange(head);
    if (head.expectsContinue && this.state === BODY && !this.isReplyBegun) {
      this.writer.sendConstant(CONTINUE_HEAD);
    }
  }

  private beginExchange(head: RequestHead): void {
    this.requests += 1;
    this.hasHeadBegun = false;
    this.isReplyBegun = false;
    this.isReplyOver = false;
    this.isEndDue = false;
    this.closes = false;
    this.uncredited = 0;
    head.receivedMs = this.context.clock.nowMs();
    head.listener = this.host.settings.index;
    this.host.onRequest(head, this);
  }

  private onBody(bytes: Buffer): void {
    const { dataStart, dataEnd, isComplete } = this.parser;
    if (isComplete) this.completeRequest();
    else this.awaitBody();
    this.listener?.onData(bytes.subarray(dataStart, dataEnd), isComplete);
  }

  private onBodyEnd(): void {
    const { trailers } = this.parser;
    this.completeRequest();
    if (trailers === NO_FIELDS) this.listener?.onData(NO_BYTES, true);
    else this.listener?.onTrailers(trailers);
  }

  private completeRequest(): void {
    this.deadlineMs = NEVER;
    if (this.isReplyOver) this.beginClosing();
    else this.state = WAIT;
  }

  private awaitBody(): void {
    this.deadlineMs = this.isPauseWanted
      ? NEVER
      : this.context.deadlineIn(this.host.settings.bodyIdleMs);
  }

  /** The rest of what the client sends cannot be told into requests, or is not waited for. */
  private onRefused(problem: ProblemKind): void {
    const isInHead = this.state === HEAD;
    const { head } = this.parser;
    this.state = SKIP;
    this.deadlineMs = NEVER;
    this.skipLeft = NEVER;
    if (!isInHead) {
      this.listener?.onRefused(problem);
      return;
    }
    if (head.bodyBytes >= 0) this.skipLeft = head.bodyBytes;
    if (head.bodyBytes === 0) this.state = WAIT;
    this.beginExchange(head);
  }

  /** What waits for its turn. */
  private keep(bytes: Buffer): void {
    if (this.closes && this.state === WAIT) return;
    this.pending.add(bytes);
    this.applyPause();
  }

  private throwAway(bytes: Buffer): void {
    if (this.state === TUNNEL) this.listener?.onData(bytes, false);
    else if (this.state === SKIP) this.skip(bytes);
    else if (this.state === CLOSING) this.skipClosing(bytes.length);
  }

  private skip(bytes: Buffer): void {
    this.skipLeft -= bytes.length;
    if (this.skipLeft > 0) {
      this.listener?.onData(bytes, false);
      return;
    }
    this.completeRequest();
    this.listener?.onData(bytes, true);
  }

  private skipClosing(bytes: number): void {
    this.skipLeft -= bytes;
    if (this.skipLeft < 0) this.leave();
  }

  /** Goes on with what came ahead. */
  private readPending(): void {
    if (this.isReading) return;
    while (!this.pending.isEmpty && this.canRead) this.read(this.pending.take());
    this.applyPause();
    if (this.isHalfClosed && this.state === HEAD && this.canRead) this.beginClosing();
  }

  /** The client has closed its side. Nobody can tell yet whether it still reads. */
  private onClientEnd(): void {
    this.isHalfClosed = true;
    this.halfClosedMs = this.context.nowMs;
    switch (this.state) {
      case HEAD:
        if (this.pending.isEmpty) this.beginClosing();
        break;
      case BODY:
        this.leave();
        break;
      case SKIP:
        this.completeRequest();
        this.listener?.onData(NO_BYTES, true);
        break;
      case TUNNEL:
        this.endTunnelUp();
        break;
      case WAIT:
      case CLOSING:
      case GONE:
        break;
      default:
        this.state satisfies never;
    }
  }

  /** The client is gone, or is given up. */
  private leave(): void {
    const { listener } = this;
    if (this.state === GONE) return;
    this.endUse();
    this.socket.destroy();
    listener?.onAborted();
  }

  private endUse(): void {
    this.state = GONE;
    this.listener = null;
    this.deadlineMs = NEVER;
    this.pending.clear();
  }

  // What time brings.

  /** Called every TICK_MS. */
  onTick(nowMs: number): void {
    try {
      if (nowMs >= this.deadlineMs) this.onDeadline();
      if (this.isHalfClosed && this.state === WAIT) this.lookWhetherGone(nowMs);
    } catch (error) {
      this.breakOff(error);
    }
  }

  private onDeadline(): void {
    this.deadlineMs = NEVER;
    if (this.state === HEAD && this.hasHeadBegun) {
      this.parser.abandon(PROBLEMS.requestTimeout, 'a head that came too slowly');
      this.onRefused(PROBLEMS.requestTimeout);
    } else if (this.state === HEAD) {
      this.beginClosing();
    } else if (this.state === BODY) {
      this.onRefused(PROBLEMS.requestTimeout);
    } else if (this.state === CLOSING) {
      this.leave();
    }
  }

  private lookWhetherGone(nowMs: number): void {
    if (this.writer.hasWritten) this.halfClosedMs = nowMs;
    this.writer.hasWritten = false;
    if (nowMs - this.halfClosedMs >= HALF_CLOSED_MS && !this.writer.isBlocked) this.leave();
  }

  // What the acceptor wants.

  attach(listener: ClientListener): void {
    this.listener = listener;
  }

  pause(): void {
    this.isPauseWanted = true;
    if (this.state === BODY) this.deadlineMs = NEVER;
    this.applyPause();
  }

  resume(): void {
    if (!this.isPauseWanted) return;
    this.isPauseWanted = false;
    if (this.state === BODY) this.awaitBody();
    this.applyPause();
  }

  private applyPause(): void {
    const mustPause = this.isPauseWanted || this.pending.isFull;
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.socket.pause();
    else this.socket.resume();
  }

  /** The timers of a connection are its own. */
  refresh(): void {}

  sendInterim(status: number, fields: FieldBlock): void {
    if (this.state === GONE || this.parser.head.protocol === HTTP_1_0) return;
    this.writer.sendConstant(Buffer.from(interimHead(status, fields), 'latin1'));
  }

  // Hot path (bench/gateway/plain-get): once for every reply.
  sendHead(head: ReplyHead, closing: ReplyClosing): void {
    if (this.state === GONE) return;
    const { reply, writer, parser } = this;
    const { inlineBody, flags, status, text } = head;
    const isEnd = (flags & FLAG_END) !== 0;
    const isBodiless = (flags & (FLAG_BODILESS | FLAG_TUNNEL)) !== 0;
    const closes = closing !== 'none' || this.mustEndHere();
    const bodyBytes = isEnd && !isBodiless ? inlineBody.length : head.bodyBytes;
    const replyFlags = (isBodiless ? REPLY_BODILESS : 0) | (closes ? REPLY_CLOSES : 0);
    this.isReplyBegun = true;
    reply.begin(parser.head.protocol, status, bodyBytes, replyFlags);
    this.closes = reply.closes;
    const room = text.length + REPLY_HEAD_EXTRA_BYTES + inlineBody.length + PIECE_EXTRA_BYTES;
    const memory = writer.reserve(room);
    let at = reply.writeHead(memory, 0, text, this.context.clock.unixMs());
    if (inlineBody.length > 0 && !isBodiless) at = reply.writeBody(memory, at, inlineBody);
    writer.send(memory, at, inlineBody.length);
    if ((flags & FLAG_TUNNEL) !== 0) this.beginTunnel();
    else if (isEnd) this.finishReply();
  }

  /** For reasons of the connection, whatever the exchange says. */
  private mustEndHere(): boolean {
    const { keepAliveRequests } = this.host.settings;
    if (!this.parser.head.isPersistent) return true;
    if (keepAliveRequests > 0 && this.requests >= keepAliveRequests) return true;
    return this.isHalfClosed && this.pending.isEmpty;
  }

  // Hot path (bench/gateway/stream-down): each piece is copied once, as its memory is not ours.
  sendBody(chunk: Uint8Array, isLast: boolean): void {
    if (this.state === GONE) return;
    const { reply, writer } = this;
    const memory = writer.reserve(chunk.length + PIECE_EXTRA_BYTES);
    let at = chunk.length > 0 ? reply.writeBody(memory, 0, chunk) : 0;
    if (isLast) at = reply.writeEnd(memory, at, NO_FIELDS);
    if (at > 0) writer.send(memory, at, chunk.length);
    if (isLast) this.finishReply();
  }

  sendEnd(): void {
    if (this.state === TUNNEL) this.endTunnelDown();
    else this.sendTrailers(NO_FIELDS);
  }

  sendTrailers(fields: FieldBlock): void {
    if (this.state === GONE) return;
    const memory = this.writer.reserve(fields.length + PIECE_EXTRA_BYTES);
    const bytes = this.reply.writeEnd(memory, 0, fields);
    if (bytes > 0) this.writer.send(memory, bytes, 0);
    this.finishReply();
  }

  abort(): void {
    if (this.state === GONE) return;
    const isWhole = this.isReplyOver && this.writer.isEmpty;
    const isOpenEnded =
      this.isReplyBegun && !this.isReplyOver && this.reply.framing === BODY_UNTIL_CLOSE;
    if (this.isReplyOver && !isWhole) {
      this.listener = null;
      this.beginClosing();
      return;
    }
    this.endUse();
    // The end of such a reply is the end of the connection: only a reset tells that it is not whole.
    if (isOpenEnded) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  private finishReply(): void {
    if (this.reply.left > 0) {
      this.context.onError(new Error('a reply ended before its announced length'));
      this.leave();
      return;
    }
    this.isEndDue = true;
    if (!this.writer.isBlocked) this.endReply();
  }

  /** The client has the reply, but for what waits in the socket. */
  private endReply(): void {
    const { listener } = this;
    this.isEndDue = false;
    this.isReplyOver = true;
    if (this.state === BODY || this.state === SKIP) {
      // The exchange reads on, and says when it has read enough.
      this.socket.end();
    } else {
      this.listener = null;
      if (this.closes) this.beginClosing();
      else this.beginIdle();
    }
    listener?.onDone();
    if (this.state === HEAD) this.readPending();
  }

  private beginIdle(): void {
    this.state = HEAD;
    this.isPauseWanted = false;
    this.deadlineMs = this.context.deadlineIn(this.host.settings.idleMs);
    if (this.host.isDraining) this.beginClosing();
  }

  private beginClosing(): void {
    this.state = CLOSING;
    this.isPauseWanted = false;
    this.pending.clear();
    this.skipLeft = CLOSING_BYTES_MAX;
    this.deadlineMs = this.context.deadlineIn(this.writer.isEmpty ? CLOSING_MS : STALLED_MS);
    this.socket.end();
    this.applyPause();
  }

  private beginTunnel(): void {
    this.state = TUNNEL;
    this.deadlineMs = NEVER;
    while (!this.pending.isEmpty) this.throwAway(this.pending.take());
    this.applyPause();
    if (this.isHalfClosed) this.endTunnelUp();
  }

  private endTunnelUp(): void {
    const { listener } = this;
    if (this.isReplyOver) this.listener = null;
    listener?.onData(NO_BYTES, true);
  }

  private endTunnelDown(): void {
    const { listener } = this;
    this.socket.end();
    this.isReplyOver = true;
    if (this.isHalfClosed) this.listener = null;
    listener?.onDone();
  }

  // What the writer says.

  onTaken(bodyBytes: number): void {
    this.uncredited += bodyBytes;
    if (this.uncredited < WINDOW_CREDIT_BYTES) return;
    const credited = this.uncredited;
    this.uncredited = 0;
    this.listener?.onSent(credited);
  }

  onUnblocked(): void {
    this.guard(this.goOn);
  }

  private goOn(): void {
    if (this.isEndDue) this.endReply();
    else if (this.state === HEAD) this.readPending();
  }

  // What its listener wants.

  /** Everything ends now; a reply that is complete may still go out. */
  shutDown(): void {
    const isWritten = this.listener === null && this.state !== GONE && !this.writer.isEmpty;
    if (!isWritten) {
      this.leave();
      return;
    }
    this.endUse();
    this.socket.destroySoon();
  }

  /** The listener takes no more connections: one that is idle closes. */
  onDrain(): void {
    if (this.state === HEAD && this.parser.isIdle) this.guard(this.beginClosing);
  }
}
