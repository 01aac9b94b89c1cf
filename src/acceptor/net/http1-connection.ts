/**
 * One HTTP/1.1 connection of a client: its requests one after the other, and their replies.
 *
 * Thread: acceptor. Owns the socket and what the connection is in the middle of. One exchange at a
 * time: what a client sends ahead is kept, within bounds, until the reply before it is written. Its
 * states are described in connection-state.ts.
 *
 * Invariants: behind a request that was refused nothing is read as a request. A connection that is
 * closed in order stops sending, reads on for a while, and closes then: a reset would take the
 * reply from the client as well. Nothing that a client does throws past this object.
 */
import type { Socket } from 'node:net';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { CONTINUE } from '../../channel/records/field-records.js';
import { FLAG_TUNNEL } from '../../channel/records/record-kind.js';
import { HTTP_1_0, type RequestHead, type RequestOrigin } from '../../wire/http1/request-head.js';
import { RequestParser } from '../../wire/http1/request-parser.js';
import type {
  ClientListener,
  ClientSocket,
  ListenerHost,
  ReplyClosing,
  ReplyHead,
} from '../client-engine.js';
import { ClientWatch, STALLED_MS } from './client-watch.js';
import {
  BODY,
  CLOSING,
  CLOSING_BYTES_MAX,
  CLOSING_MS,
  type ConnectionState,
  GONE,
  HEAD,
  NEVER,
  SKIP,
  TUNNEL,
  WAIT,
} from './connection-state.js';
import { keptOf, takeReads } from './direct-socket.js';
import { Http1Reply, type ReplyOwner } from './http1-reply.js';
import { InputQueue } from './input-queue.js';
import { RequestInput, type RequestSink } from './request-input.js';
import { knowsResets } from './socket-address.js';
import { HTTP1_CAPABILITIES, type WireContext } from './wire-context.js';
import type { SocketPair, WireGuest } from './wire-guest.js';

const SLOW_HEAD = 'a head that came too slowly';

const NO_BYTES = Buffer.alloc(0);

export class Http1Connection implements ClientSocket, ReplyOwner, RequestSink, WireGuest {
  readonly capabilities = HTTP1_CAPABILITIES;

  private readonly raw: Socket;
  private readonly socket: Socket;
  private state: ConnectionState = HEAD;
  private readonly parser: RequestParser;
  private readonly reply: Http1Reply;
  private readonly pending: InputQueue;
  private readonly input: RequestInput;
  /** Of the exchange in flight, or of one that lingers. */
  private listener: ClientListener | null = null;
  /** What happens next if nothing else does: on the context's coarse clock. */
  private deadlineMs: number;

  private requests = 0;
  /** A byte of the head that is being read has come. */
  private hasHeadBegun = false;
  /** Bytes are being read right now. */
  private isReading = false;
  private readonly watch: ClientWatch;
  /** Bytes of the request that are left to be thrown away; NEVER: not known. */
  private skipLeft = NEVER;

  constructor(
    sockets: SocketPair,
    private readonly host: ListenerHost,
    private readonly context: WireContext,
    origin: RequestOrigin,
  ) {
    const { raw, socket } = sockets;
    this.raw = raw;
    this.socket = socket;
    const rules = context.rulesFor(host.settings);
    this.parser = new RequestParser(rules, origin, context.headNumbers);
    this.input = new RequestInput(this.parser, this);
    this.pending = new InputQueue(socket);
    this.reply = new Http1Reply(socket, context, this);
    this.watch = new ClientWatch(raw, this.reply);
    this.deadlineMs = context.deadlineIn(host.settings.headMs);
    const onGone = (): void => this.guard(this.leave);
    socket.on('error', onGone).on('close', onGone);
    socket.on('end', () => this.guard(this.onClientEnd));
    takeReads(socket, (bytes) => this.onBytes(bytes));
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

  private takeBytes(bytes: Buffer): void {
    if (!this.isReading && this.pending.isEmpty && this.canRead) this.read(bytes);
    else if (this.state === HEAD || this.state === BODY || this.state === WAIT) this.keep(bytes);
    else this.throwAway(bytes);
  }

  /** A blocked client gets no further request in: its replies would pile up. */
  get canRead(): boolean {
    return this.state === BODY || (this.state === HEAD && !this.reply.isBlocked);
  }

  // Hot path (bench/gateway/plain-get): once for every read.
  private read(bytes: Buffer): void {
    let at = 0;
    if (this.parser.isComplete) this.parser.rules = this.context.rulesFor(this.host.settings);
    this.isReading = true;
    try {
      at = this.input.read(bytes);
    } finally {
      this.isReading = false;
    }
    if (at === bytes.length) return;
    const rest = bytes.subarray(at);
    if (this.state === HEAD || this.state === WAIT) this.pending.putBack(keptOf(rest));
    else this.throwAway(rest);
    this.pending.applyPause();
  }

  // What the input says (request-input.ts).

  onMore(): void {
    if (this.state !== HEAD || this.hasHeadBegun || this.parser.isIdle) return;
    this.hasHeadBegun = true;
    this.deadlineMs = this.context.deadlineIn(this.host.settings.headMs);
  }

  onHead(head: RequestHead): void {
    const isWhole = this.parser.isComplete;
    this.state = isWhole ? WAIT : BODY;
    // Who waits for 100 is not late with its body.
    if (isWhole || head.expectsContinue) this.deadlineMs = NEVER;
    else this.awaitBody();
    this.beginExchange(head);
  }

  private beginExchange(head: RequestHead): void {
    this.requests += 1;
    this.hasHeadBegun = false;
    this.reply.begin();
    head.receivedMs = this.context.clock.nowMs();
    head.listener = this.host.settings.index;
    this.host.onRequest(head, this);
  }

  onBody(piece: Buffer, isLast: boolean): void {
    if (isLast) this.completeRequest();
    else this.awaitBody();
    this.listener?.onData(piece, isLast);
  }

  onTrailers(fields: FieldBlock): void {
    this.completeRequest();
    this.listener?.onTrailers(fields);
  }

  private completeRequest(): void {
    this.deadlineMs = NEVER;
    if (this.reply.isOver) this.beginClosing();
    else this.state = WAIT;
  }

  private awaitBody(): void {
    this.parser.head.expectsContinue = false;
    this.deadlineMs = this.pending.isPauseWanted
      ? NEVER
      : this.context.deadlineIn(this.host.settings.bodyIdleMs);
  }

  /** The rest of what the client sends cannot be told into requests, or is not waited for. */
  onRefused(problem: ProblemKind, reason: string): void {
    const isInHead = this.state === HEAD;
    const { head } = this.parser;
    this.state = SKIP;
    this.deadlineMs = NEVER;
    this.skipLeft = NEVER;
    if (!isInHead) {
      this.listener?.onRefused(problem, reason);
      return;
    }
    if (head.bodyBytes >= 0) this.skipLeft = head.bodyBytes;
    if (head.bodyBytes === 0) this.state = WAIT;
    this.beginExchange(head);
  }

  /** What waits for its turn. */
  private keep(bytes: Buffer): void {
    if (this.reply.closes && this.state === WAIT) return;
    this.pending.add(keptOf(bytes));
    this.pending.applyPause();
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

  private readPending(): void {
    if (this.isReading) return;
    while (!this.pending.isEmpty && this.canRead) this.read(this.pending.take());
    this.pending.applyPause();
    if (this.watch.hasEnded && this.state === HEAD && this.canRead) this.beginClosing();
  }

  /** The client has closed its side. Nobody can tell yet whether it still reads. */
  private onClientEnd(): void {
    this.watch.end(this.context.nowMs);
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

  onTick(nowMs: number): void {
    try {
      if (nowMs >= this.deadlineMs) this.onDeadline();
      if (this.watch.isStalled(nowMs)) this.leave();
      else if (this.state === WAIT) this.lookForClient(nowMs);
    } catch (error) {
      this.onBroken(error);
    }
  }

  private lookForClient(nowMs: number): void {
    const takesInterim = this.parser.head.protocol !== HTTP_1_0;
    const { halfCloseMs } = this.host.settings;
    if (this.watch.isGone(nowMs, halfCloseMs, takesInterim)) this.leave();
  }

  private onDeadline(): void {
    this.deadlineMs = NEVER;
    if (this.state === HEAD && this.hasHeadBegun) {
      this.parser.abandon(PROBLEMS.requestTimeout, SLOW_HEAD);
      this.onRefused(PROBLEMS.requestTimeout, SLOW_HEAD);
    } else if (this.state === HEAD) {
      this.beginClosing();
    } else if (this.state === BODY) {
      this.onRefused(PROBLEMS.requestTimeout, 'a body of which nothing came for too long');
    } else if (this.state === CLOSING) {
      this.leave();
    }
  }

  // What the acceptor wants.

  attach(listener: ClientListener): void {
    this.listener = listener;
  }

  pause(): void {
    this.pending.isPauseWanted = true;
    if (this.state === BODY) this.deadlineMs = NEVER;
    this.pending.applyPause();
  }

  resume(): void {
    if (!this.pending.isPauseWanted) return;
    this.pending.isPauseWanted = false;
    if (this.state === BODY) this.awaitBody();
    this.pending.applyPause();
  }

  /** The timers of a connection are its own. */
  refresh(): void {}

  sendInterim(status: number, fields: FieldBlock): void {
    if (this.state === GONE || this.parser.head.protocol === HTTP_1_0) return;
    if (status === CONTINUE) {
      if (this.state !== BODY || !this.parser.head.expectsContinue) return;
      this.awaitBody();
    }
    this.reply.sendInterim(status, fields);
  }

  sendHead(head: ReplyHead, closing: ReplyClosing): void {
    if (this.state === GONE) return;
    const closes = closing !== 'none' || this.mustEndHere();
    this.reply.sendHead(head, this.parser.head.protocol, closes);
    if ((head.flags & FLAG_TUNNEL) !== 0) this.beginTunnel();
  }

  /** It speaks without TLS, where the listener has got some since. */
  private get isOutdated(): boolean {
    return this.raw === this.socket && this.host.settings.tls !== null;
  }

  /** For reasons of the connection, whatever the exchange says. */
  private mustEndHere(): boolean {
    const { keepAliveRequests } = this.host.settings;
    if (this.isOutdated) return true;
    if (!this.parser.head.isPersistent) return true;
    if (keepAliveRequests > 0 && this.requests >= keepAliveRequests) return true;
    return this.watch.hasEnded && this.pending.isEmpty;
  }

  sendBody(chunk: Uint8Array, isLast: boolean): void {
    if (this.state !== GONE) this.reply.sendBody(chunk, isLast);
  }

  sendEnd(): void {
    if (this.state === TUNNEL) this.endTunnelDown();
    else this.sendTrailers(NO_FIELDS);
  }

  sendTrailers(fields: FieldBlock): void {
    if (this.state !== GONE) this.reply.sendEnd(fields);
  }

  abort(): void {
    if (this.state === GONE) return;
    const isTunnel = this.state === TUNNEL;
    if (this.reply.isOver && (isTunnel || !this.reply.isWritten)) {
      this.listener = null;
      this.beginClosing();
      return;
    }
    const { endsByClosing } = this.reply;
    this.endUse();
    // These end with their connection: only a reset tells that something is missing.
    if ((endsByClosing || isTunnel) && knowsResets(this.raw)) this.raw.resetAndDestroy();
    else this.socket.destroy();
  }

  // What the reply says.

  onReplySent(bytes: number): void {
    this.listener?.onSent(bytes);
  }

  onReplyShort(): void {
    this.onBroken(new Error('a reply ended before the length that its head has announced'));
  }

  onReplyEnd(): void {
    const { listener } = this;
    if (this.state === BODY || this.state === SKIP) {
      // The exchange reads on, and says when it has read enough.
      this.reply.endConnection();
    } else {
      this.listener = null;
      if (this.reply.closes) this.beginClosing();
      else this.beginIdle();
    }
    listener?.onDone();
    if (this.state === HEAD) this.readPending();
  }

  onUnblocked(): void {
    if (this.state === HEAD) this.readPending();
  }

  private beginIdle(): void {
    this.state = HEAD;
    this.pending.isPauseWanted = false;
    this.deadlineMs = this.context.deadlineIn(this.host.settings.idleMs);
    if (this.host.isDraining || this.isOutdated) this.beginClosing();
  }

  private beginClosing(): void {
    this.state = CLOSING;
    this.pending.isPauseWanted = false;
    this.pending.clear();
    this.skipLeft = CLOSING_BYTES_MAX;
    this.deadlineMs = this.context.deadlineIn(this.reply.isWritten ? CLOSING_MS : STALLED_MS);
    this.reply.endConnection();
    this.pending.applyPause();
  }

  private beginTunnel(): void {
    this.state = TUNNEL;
    this.deadlineMs = NEVER;
    while (!this.pending.isEmpty) this.throwAway(this.pending.take());
    this.pending.applyPause();
    if (this.watch.hasEnded) this.endTunnelUp();
  }

  private endTunnelUp(): void {
    const { listener } = this;
    if (this.reply.isOver) this.listener = null;
    listener?.onData(NO_BYTES, true);
  }

  private endTunnelDown(): void {
    const { listener } = this;
    this.reply.endConnection();
    this.reply.isOver = true;
    if (this.watch.hasEnded) this.listener = null;
    listener?.onDone();
  }

  // What its listener wants.

  get unsentBytes(): number {
    return this.reply.unsentBytes;
  }

  stalledForMs(nowMs: number): number {
    return this.watch.stalledForMs(nowMs);
  }

  get isNew(): boolean {
    return this.state === HEAD && this.requests === 0;
  }

  /** A reply that is complete may still go out. */
  shutDown(): void {
    const isWritten = this.listener === null && this.state !== GONE && !this.reply.isWritten;
    if (isWritten) {
      this.endUse();
      this.socket.destroySoon();
    } else this.leave();
  }

  onDrain(): boolean {
    const isIdle = this.state === HEAD && this.parser.isIdle;
    if (isIdle) this.guard(this.beginClosing);
    return isIdle;
  }
}
