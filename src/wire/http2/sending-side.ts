/**
 * The bodies and the windows of a connection, whichever side it is.
 *
 * Thread: any (pure). RFC 9113 5.2. stream-connection.ts reads what the other side sends, and is
 * the only one to extend this.
 *
 * Invariants: no more is sent than the windows allow. What came on a stream is credited to the
 * connection when the stream ends, at the latest. On a stream that is over nothing is sent.
 */
import { assert } from '../../base/assert.js';
import { HpackEncoder } from '../hpack/hpack-encoder.js';
import { CLOSED_BY_US, CLOSED_ENDED, type ClosedKind, ClosedStreams } from './closed-streams.js';
import { FrameBudget } from './frame-budget.js';
import { FRAME_BYTES_MAX, NUMBER_MAX, WINDOW_BYTES_DEFAULT } from './frame-kinds.js';
import { FrameWriter } from './frame-writer.js';
import type { Http2Stream } from './http2-stream.js';
import { PeerSettings } from './peer-settings.js';
import type { StreamHandler } from './stream-handler.js';

/** How much may come before it is credited. */
export interface WindowOptions {
  /** Bytes of a body that may come before they are credited; WINDOW_BYTES_DEFAULT or more. */
  readonly streamWindowBytes: number;
  /** The same for all streams together; as much as for one or more. */
  readonly windowBytes: number;
}

export abstract class SendingSide<S extends Http2Stream> {
  readonly streams = new Map<number, S>();
  isClosed = false;

  protected readonly writer = new FrameWriter();
  protected readonly encoder: HpackEncoder;
  protected readonly peer = new PeerSettings();
  protected readonly closed = new ClosedStreams();
  /** Streams whose sendData() took less than it was given, the one that waits longest first. */
  protected readonly blocked = new Set<S>();
  protected readonly budget: FrameBudget;
  protected sendWindow = WINDOW_BYTES_DEFAULT;
  protected receiveWindow: number;
  /** As it was handed over last. */
  protected nowMs: number;
  private untold = 0;

  constructor(
    private readonly windows: WindowOptions,
    protected readonly listener: StreamHandler<S>,
    { tableBytes, nowMs }: { readonly tableBytes: number; readonly nowMs: number },
  ) {
    assert(windows.streamWindowBytes >= WINDOW_BYTES_DEFAULT, 'a window of the default or more');
    assert(windows.windowBytes >= windows.streamWindowBytes, 'a window for a stream at least');
    this.encoder = new HpackEncoder(tableBytes);
    this.nowMs = nowMs;
    this.budget = new FrameBudget(nowMs);
    this.receiveWindow = windows.windowBytes;
  }

  /** Nothing may have been read for a long time. */
  atTime(nowMs: number): void {
    this.nowMs = nowMs;
  }

  /** Tells of the settings of this side, and of the window of the connection. */
  protected begin(settings: readonly (readonly [id: number, value: number])[]): void {
    this.writer.settings(settings);
    const more = this.windows.windowBytes - WINDOW_BYTES_DEFAULT;
    if (more > 0) this.writer.window(0, more);
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

  protected wake(stream: S): void {
    if (stream.sendWindow <= 0 || this.sendWindow <= 0) return;
    if (!this.blocked.delete(stream)) return;
    stream.blockedSinceMs = -1;
    this.listener.onWindow(stream);
  }

  /** Takes the stream out; what came on it and was not credited is. */
  protected forget(stream: S, kind: ClosedKind): void {
    const mayCome = kind === CLOSED_BY_US && !stream.isRemoteClosed;
    this.closed.add(stream.id, kind, mayCome ? stream.receiveWindow : 0);
    stream.isOver = true;
    stream.isRemoteClosed = true;
    stream.isLocalClosed = true;
    this.streams.delete(stream.id);
    this.blocked.delete(stream);
    const { uncredited } = stream;
    stream.uncredited = 0;
    this.creditConnection(uncredited);
  }

  protected closeIfEnded(stream: S): void {
    if (stream.isOver || !stream.isRemoteClosed || !stream.isLocalClosed) return;
    this.forget(stream, CLOSED_ENDED);
  }

  // Hot path (bench/gateway/reply-64k): every piece of a body.
  /**
   * Sends what the windows allow of `bytes`, which are copied; `ends`: they are the last ones.
   * Returns how many it took: of what is left onWindow() tells when it may be tried again.
   */
  sendData(stream: S, bytes: Uint8Array, ends: boolean): number {
    if (stream.isOver) return bytes.length;
    assert(!stream.isLocalClosed, 'a body has one end');
    const taken = Math.max(0, Math.min(bytes.length, stream.sendWindow, this.sendWindow));
    stream.sendWindow -= taken;
    this.sendWindow -= taken;
    const isAll = taken === bytes.length;
    for (let at = 0; at < taken; at += FRAME_BYTES_MAX) {
      const end = Math.min(taken, at + FRAME_BYTES_MAX);
      // Not for a frame that a tiny window has cut: whoever opens such windows earns nothing.
      if (isAll || end - at === FRAME_BYTES_MAX) this.budget.earn();
      const isWhole = at === 0 && end === bytes.length;
      const part = isWhole ? bytes : bytes.subarray(at, end);
      this.writer.data(stream.id, part, ends && isAll && end === taken);
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

  protected endLocal(stream: S): void {
    stream.isLocalClosed = true;
    this.closeIfEnded(stream);
  }

  /** Ends a stream before its time; NO_ERROR behind a whole reply: the rest is not wanted. */
  reset(stream: S, code: number): void {
    if (stream.isOver) return;
    this.writer.reset(stream.id, code);
    this.forget(stream, CLOSED_BY_US);
  }

  /** `bytes` of its body were used: the other side may send as many more. */
  credit(stream: S, bytes: number): void {
    if (stream.isOver) return;
    stream.uncredited -= bytes;
    assert(stream.uncredited >= 0, 'no more is credited than came');
    stream.untold += bytes;
    this.creditConnection(bytes);
    this.tellWindow(stream);
  }

  /** Told in large steps, and not of a stream on which nothing comes any more. */
  protected tellWindow(stream: S): void {
    const isDue = 2 * stream.untold >= this.windows.streamWindowBytes;
    if (!isDue || stream.isRemoteClosed) return;
    this.writer.window(stream.id, stream.untold);
    stream.receiveWindow += stream.untold;
    stream.untold = 0;
  }

  protected creditConnection(bytes: number): void {
    this.untold += bytes;
    if (this.isClosed || 2 * this.untold < this.windows.windowBytes) return;
    this.writer.window(0, this.untold);
    this.receiveWindow += this.untold;
    this.untold = 0;
  }

  /** Since when the stream that waits longest waits for a window; -1: none does. */
  get blockedSinceMs(): number {
    for (const stream of this.blocked) return stream.blockedSinceMs;
    return -1;
  }
}
