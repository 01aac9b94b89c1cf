/**
 * One request on a uWebSockets.js connection: its body towards the lane, its reply to the client.
 *
 * Thread: acceptor. Owns the response handle until the reply is complete or the client is gone;
 * after that the handle is never touched (uWebSockets.js would throw).
 *
 * Invariants: each direction holds at most one window of bytes, plus the one read (512 KiB at
 * most) that the native side delivers whole. The exchange leaves the in-flight table exactly once.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { BufferPool } from '../base/buffer-pool.js';
import { isIdempotentMethod } from '../base/http-method.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import { BODY_RECORD_BYTES_MAX, WINDOW_BYTES } from '../channel/lane.js';
import { type NewRequest, PROTOCOL_HTTP_1_1 } from '../channel/records/request-head.js';
import type { Downstream, ResponseHead } from './in-flight-table.js';
import type { ExchangeEnd, LaneDispatcher } from './lane-dispatcher.js';
import { type ReplyClosing, type ReplyListener, UwsReply } from './uws-reply.js';

/** Unless the connection's timer is set anew, the native side cuts uploads below 16 KB/s. */
const UPLOAD_REFRESH_MS = 3000;

/** So many looks in a row at a body that is too slow, three seconds apart, end it. */
const SLOW_LOOKS_MAX = 10;

/** What the native side reads at once: of that, what the window does not take is held. */
const READ_BYTES_MAX = 512 * 1024;
/** 4 MiB at most stay with the acceptor. */
const KEPT_MAX = 8;
const heldPool = new BufferPool(READ_BYTES_MAX, KEPT_MAX);

/** Most exchanges hold nothing: they share this, and it stays empty. */
const NOTHING_HELD: Buffer[] = [];

/** What an exchange needs of its acceptor. */
export interface ExchangeContext {
  readonly dispatcher: LaneDispatcher;
  readonly bodyBytesMax: number;
  readonly isDraining: boolean;
  /** The gateway itself has closed every connection. */
  readonly isClosed: boolean;
  /** Answers with a problem; used where the worker cannot. */
  replyLocally(exchange: UwsExchange, kind: ProblemKind, detail: string): void;
}

export class UwsExchange implements Downstream, ReplyListener {
  /** Place in the in-flight table; -1 before it is sent and after it has ended. */
  index = -1;
  readonly reply: UwsReply;

  private window = WINDOW_BYTES;
  private received = 0;
  /** As the configuration had it when the request began. */
  private readonly bodyBytesMax: number;
  private held: Buffer[] = NOTHING_HELD;
  private isRequestComplete: boolean;
  private isLastHeld = false;
  private isPaused = false;
  private refreshedMs: number;
  private hasRunAgain = false;
  private receivedBefore = 0;
  private slowLooks = 0;

  constructor(
    private readonly context: ExchangeContext,
    readonly res: HttpResponse,
    readonly request: {
      readonly method: string;
      readonly target: string;
      readonly peer: string;
      readonly receivedMs: number;
      readonly bodyBytes: number;
      readonly mustClose: boolean;
      /** The head as the lane has it; empty: not kept, the request cannot run again. */
      readonly text: string;
    },
  ) {
    this.bodyBytesMax = context.bodyBytesMax;
    this.isRequestComplete = request.bodyBytes === 0;
    this.refreshedMs = request.receivedMs;
    this.reply = new UwsReply(res, this);
  }

  onDone(): void {
    this.leave('replied');
  }

  onSent(bytes: number): void {
    if (this.index !== -1) this.context.dispatcher.sendWindow(this.index, bytes);
  }

  onBlocked(): void {
    this.isPaused = false;
  }

  onUnblocked(): void {
    if (this.held.length > 0 && !this.isLastHeld) this.pause();
  }

  /** Attached first of all: without it a later mistake would end the whole process. */
  onAborted(): void {
    this.reply.isOver = true;
    this.leave(this.context.isClosed ? 'cut' : 'aborted');
  }

  // Hot path for uploads: each piece is copied once, straight into the ring.
  onData(data: ArrayBuffer, isLast: boolean, nowMs: number): void {
    if (this.reply.isOver || this.index === -1) return;
    this.received += data.byteLength;
    if (this.received > this.bodyBytesMax) {
      this.replaceByProblem(PROBLEMS.bodyTooLarge, 'The request body is over limits.bodyBytes.');
      return;
    }
    if (isLast) this.isRequestComplete = true;
    else this.refreshUploadTimer(nowMs);
    const bytes = new Uint8Array(data);
    let at = 0;
    if (this.held.length === 0) at = this.sendPieces(bytes, isLast);
    if (at < bytes.length || (this.held.length > 0 && isLast))
      this.hold(bytes.subarray(at), isLast);
  }

  /** Sends what the window allows; returns how many bytes went. The end goes with the last. */
  private sendPieces(bytes: Uint8Array, isLast: boolean): number {
    const { dispatcher } = this.context;
    let at = 0;
    while (at < bytes.length && this.window > 0) {
      const size = Math.min(bytes.length - at, BODY_RECORD_BYTES_MAX, this.window);
      const isEnd = isLast && at + size === bytes.length;
      dispatcher.sendBody(this.index, bytes.subarray(at, at + size), isEnd);
      this.window -= size;
      at += size;
    }
    if (bytes.length === 0 && isLast) dispatcher.sendEnd(this.index);
    return at;
  }

  private hold(rest: Uint8Array, isLast: boolean): void {
    if (this.held.length === 0) this.held = [];
    this.held.push(heldPool.copyOf(rest));
    this.isLastHeld = isLast;
    // With the last piece here there is nothing more to hold back, and a pause would hide a
    // client that leaves.
    if (!isLast) this.pause();
  }

  /**
   * A pause stops both directions. So a reply that waits for the client comes first, or the two
   * would wait for each other; meanwhile limits.bodyBytes bounds what is held.
   */
  private pause(): void {
    if (this.isPaused || this.reply.isBlocked) return;
    this.isPaused = true;
    this.res.pause();
  }

  onWindow(bytes: number): void {
    this.window += bytes;
    while (this.held.length > 0 && this.window > 0) {
      const chunk = this.held[0] ?? Buffer.alloc(0);
      const isLast = this.isLastHeld && this.held.length === 1;
      const sent = this.sendPieces(chunk, isLast);
      if (sent < chunk.length) {
        this.held[0] = chunk.subarray(sent);
        return;
      }
      this.held.shift();
      heldPool.release(chunk);
    }
    if (this.held.length === 0) this.resume();
  }

  private resume(): void {
    if (!this.isPaused || this.reply.isOver) return;
    this.isPaused = false;
    this.res.resume();
  }

  private refreshUploadTimer(nowMs: number): void {
    if (this.isPaused || nowMs - this.refreshedMs < UPLOAD_REFRESH_MS) return;
    this.refreshedMs = nowMs;
    this.res.pause();
    this.res.resume();
  }

  /**
   * Called every few seconds; `bytesMin`: what a body must have brought since. What the gateway
   * holds back by itself is not the client's fault.
   */
  checkUpload(bytesMin: number): void {
    const came = this.received - this.receivedBefore;
    this.receivedBefore = this.received;
    const isClientsTurn = !this.isRequestComplete && !this.isPaused && this.held.length === 0;
    this.slowLooks = isClientsTurn && came < bytesMin ? this.slowLooks + 1 : 0;
    if (this.slowLooks < SLOW_LOOKS_MAX || this.reply.isOver) return;
    this.replaceByProblem(PROBLEMS.requestTimeout, 'The request body came too slowly.');
  }

  /** Called every few seconds. The worker's idle deadline is what ends an exchange that hangs. */
  refreshReplyTimer(): void {
    if (!this.isPaused) this.reply.refreshTimer();
  }

  onResponseHead(head: ResponseHead): void {
    if (this.reply.isOver) return;
    // A paused connection would stay deaf after the reply.
    this.resume();
    this.reply.sendHead(head, this.closing());
  }

  private closing(): ReplyClosing {
    if (this.request.mustClose) return 'deaf';
    const mustClose = !this.isRequestComplete || this.context.isDraining;
    return mustClose ? 'announced' : 'none';
  }

  onResponseBody(chunk: Uint8Array, isLast: boolean): void {
    this.reply.sendBody(chunk, isLast);
  }

  onResponseEnd(): void {
    this.reply.sendEnd();
  }

  /** The library cannot write trailers: the end of the body is what is left of them. */
  onResponseTrailers(): void {
    this.reply.sendEnd();
  }

  /** Nor can it write more than one head. */
  onResponseInterim(): void {}

  onTunnelBytes(): void {
    this.reply.abort();
  }

  onTunnelEnd(): void {
    this.reply.abort();
  }

  onResponseAbort(): void {
    this.reply.abort();
  }

  takeRerun(): NewRequest | null {
    const { method, text, receivedMs, bodyBytes } = this.request;
    const isSafe = text !== '' && bodyBytes === 0 && isIdempotentMethod(method);
    if (!isSafe || this.hasRunAgain || this.reply.isStarted) return null;
    this.hasRunAgain = true;
    return { receivedMs, bodyBytes, protocol: PROTOCOL_HTTP_1_1, listener: 0, text };
  }

  onLaneLost(): void {
    if (this.reply.isStarted) this.reply.abort();
    else this.replaceByProblem(PROBLEMS.workerLost, 'The worker ended; try again.');
  }

  onUnserved(): void {
    this.replaceByProblem(
      PROBLEMS.notReady,
      'No worker could take the request in time; try again.',
    );
  }

  /** The gateway answers in the worker's place; the worker hears that the request is over. */
  replaceByProblem(kind: ProblemKind, detail: string): void {
    if (this.reply.isStarted) {
      this.reply.abort();
      return;
    }
    this.leave('answered');
    this.resume();
    this.context.replyLocally(this, kind, detail);
  }

  private leave(end: ExchangeEnd): void {
    for (const chunk of this.held) heldPool.release(chunk);
    this.held = NOTHING_HELD;
    if (this.index === -1) return;
    const { index } = this;
    this.index = -1;
    this.context.dispatcher.finish(index, end);
  }
}
