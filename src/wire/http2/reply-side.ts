/**
 * The replies and the windows of a client's connection.
 *
 * Thread: any (pure). RFC 9113 5.2 and 8.1. server-connection.ts reads what the client sends, and
 * is the only one to extend this.
 *
 * Invariants: no more is sent than the windows allow. What came on a stream is credited to the
 * connection when the stream ends, at the latest. On a stream that is over nothing is sent.
 */
import { assert } from '../../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { HpackEncoder } from '../hpack/hpack-encoder.js';
import { CLOSED_BY_US, CLOSED_ENDED, type ClosedKind, ClosedStreams } from './closed-streams.js';
import { FrameBudget } from './frame-budget.js';
import { FRAME_BYTES_MAX, NO_ERROR, NUMBER_MAX } from './frame-kinds.js';
import { FrameWriter } from './frame-writer.js';
import { PeerSettings } from './peer-settings.js';
import { encodeReply } from './reply-block.js';
import type { ServerHandler } from './server-handler.js';
import { type ServerOptions, WINDOW_BYTES_DEFAULT } from './server-options.js';
import type { ServerStream } from './server-stream.js';

const TABLE_BYTES = 4096;

/** What the PING between the two GOAWAYs carries. */
export const DRAIN_PING: Buffer = Buffer.from('draining', 'latin1');

export abstract class ReplySide {
  readonly streams = new Map<number, ServerStream>();
  isClosed = false;

  protected readonly writer = new FrameWriter();
  protected readonly encoder = new HpackEncoder(TABLE_BYTES);
  protected readonly peer = new PeerSettings();
  protected readonly closed = new ClosedStreams();
  /** Streams whose sendData() took less than it was given, the one that waits longest first. */
  protected readonly blocked = new Set<ServerStream>();
  protected readonly budget: FrameBudget;
  protected sendWindow = WINDOW_BYTES_DEFAULT;
  protected receiveWindow: number;
  /** The last stream of the client, and the last one that is taken. */
  protected lastStream = 0;
  protected lastAllowed = NUMBER_MAX;
  private isDraining = false;
  private untold = 0;

  constructor(
    protected readonly options: ServerOptions,
    protected readonly handler: ServerHandler,
    protected nowMs: number,
  ) {
    this.receiveWindow = options.windowBytes;
    this.budget = new FrameBudget(nowMs);
  }

  /** What is to be written, in one buffer; null: nothing. Not while the socket holds much. */
  takeOutput(): Buffer | null {
    this.budget.onTaken();
    return this.writer.take();
  }

  /** How much of it there is. */
  get outputBytes(): number {
    return this.writer.bytes;
  }

  /** RFC 9113 6.9.2: the windows of all streams change with the setting. False: one too far. */
  protected moveWindows(bytes: number): boolean {
    for (const stream of this.streams.values()) {
      stream.sendWindow += bytes;
      if (stream.sendWindow > NUMBER_MAX) return false;
    }
    if (bytes > 0) this.wakeAll();
    return true;
  }

  protected wakeAll(): void {
    for (const stream of [...this.blocked]) {
      if (this.sendWindow <= 0 || this.isClosed) return;
      this.wake(stream);
    }
  }

  protected wake(stream: ServerStream): void {
    if (stream.sendWindow <= 0 || this.sendWindow <= 0) return;
    if (!this.blocked.delete(stream)) return;
    stream.blockedSinceMs = -1;
    this.handler.onWindow(stream);
  }

  /** Takes the stream out; what came on it and was not credited is. */
  protected forget(stream: ServerStream, kind: ClosedKind): void {
    stream.isOver = true;
    stream.isRemoteClosed = true;
    stream.isLocalClosed = true;
    this.streams.delete(stream.id);
    this.blocked.delete(stream);
    this.closed.add(stream.id, kind);
    const { uncredited } = stream;
    stream.uncredited = 0;
    this.creditConnection(uncredited);
  }

  protected closeIfEnded(stream: ServerStream): void {
    if (stream.isOver || !stream.isRemoteClosed || !stream.isLocalClosed) return;
    this.forget(stream, CLOSED_ENDED);
  }

  /** Sends a head before that of the reply (RFC 9110 15.2). */
  sendInterim(stream: ServerStream, status: number, fields: FieldBlock): void {
    assert(!stream.hasHead && status < 200, 'interim heads come before the head');
    if (stream.isOver) return;
    this.writer.headers(stream.id, encodeReply(this.encoder, status, fields), false);
  }

  /** Sends the head of the reply; `ends`: it has no body. */
  sendHead(stream: ServerStream, status: number, fields: FieldBlock, ends: boolean): void {
    assert(!stream.hasHead && status >= 200, 'a reply has one head');
    if (stream.isOver) return;
    stream.hasHead = true;
    this.budget.earn();
    this.writer.headers(stream.id, encodeReply(this.encoder, status, fields), ends);
    if (ends) this.endLocal(stream);
  }

  // Hot path (bench/gateway/reply-64k): every piece of a reply.
  /**
   * Sends what the windows allow of `bytes`, which are copied; `ends`: they are the last ones.
   * Returns how many it took: of what is left onWindow() tells when it may be tried again.
   */
  sendData(stream: ServerStream, bytes: Uint8Array, ends: boolean): number {
    assert(stream.hasHead, 'a body comes behind its head');
    if (stream.isOver) return bytes.length;
    const taken = Math.max(0, Math.min(bytes.length, stream.sendWindow, this.sendWindow));
    stream.sendWindow -= taken;
    this.sendWindow -= taken;
    const isAll = taken === bytes.length;
    for (let at = 0; at < taken; at += FRAME_BYTES_MAX) {
      const end = Math.min(taken, at + FRAME_BYTES_MAX);
      this.budget.earn();
      this.writer.data(stream.id, bytes.subarray(at, end), ends && isAll && end === taken);
    }
    if (isAll && ends) {
      if (taken === 0) this.writer.data(stream.id, bytes, true);
      this.endLocal(stream);
    } else if (!isAll) {
      this.blocked.add(stream);
      stream.blockedSinceMs = this.nowMs;
    }
    return taken;
  }

  /** Ends the reply behind its body, with trailers or none. */
  sendEnd(stream: ServerStream, trailers: FieldBlock): void {
    assert(stream.hasHead, 'a reply ends behind its head');
    if (stream.isOver) return;
    if (trailers === NO_FIELDS) this.writer.data(stream.id, Buffer.alloc(0), true);
    else this.writer.headers(stream.id, encodeReply(this.encoder, 0, trailers), true);
    this.endLocal(stream);
  }

  protected endLocal(stream: ServerStream): void {
    stream.isLocalClosed = true;
    this.closeIfEnded(stream);
  }

  /** Ends a stream before its time; NO_ERROR behind a whole reply: the rest is not wanted. */
  reset(stream: ServerStream, code: number): void {
    if (stream.isOver) return;
    this.writer.reset(stream.id, code);
    this.forget(stream, CLOSED_BY_US);
  }

  /** `bytes` of its body were used: the peer may send as many more. */
  credit(stream: ServerStream, bytes: number): void {
    if (stream.isOver) return;
    stream.uncredited -= bytes;
    assert(stream.uncredited >= 0, 'no more is credited than came');
    stream.untold += bytes;
    this.creditConnection(bytes);
    this.tellWindow(stream);
  }

  /** Told in large steps, and not of a stream on which nothing comes any more. */
  protected tellWindow(stream: ServerStream): void {
    const isDue = 2 * stream.untold >= this.options.streamWindowBytes;
    if (!isDue || stream.isRemoteClosed) return;
    this.writer.window(stream.id, stream.untold);
    stream.receiveWindow += stream.untold;
    stream.untold = 0;
  }

  protected creditConnection(bytes: number): void {
    this.untold += bytes;
    if (this.isClosed || 2 * this.untold < this.options.windowBytes) return;
    this.writer.window(0, this.untold);
    this.receiveWindow += this.untold;
    this.untold = 0;
  }

  /** Since when the stream that waits longest waits for a window; -1: none does. */
  get blockedSinceMs(): number {
    for (const stream of this.blocked) return stream.blockedSinceMs;
    return -1;
  }

  /** GOAWAY was sent or came, and the last stream has ended. */
  get isDrained(): boolean {
    return this.lastAllowed < NUMBER_MAX && this.streams.size === 0;
  }

  /**
   * Begins to end the connection in two steps (RFC 9113 6.8): the client is told, and when it has
   * answered, or at endDrain(), it is told which stream was the last one.
   */
  goAway(): void {
    if (this.isClosed || this.lastAllowed < NUMBER_MAX) return;
    this.writer.goAway(NUMBER_MAX, NO_ERROR);
    this.writer.ping(DRAIN_PING, false);
    this.isDraining = true;
  }

  /** The second step, for a client that does not answer. */
  endDrain(): void {
    if (!this.isDraining || this.isClosed) return;
    this.isDraining = false;
    this.lastAllowed = this.lastStream;
    this.writer.goAway(this.lastStream, NO_ERROR);
  }
}
