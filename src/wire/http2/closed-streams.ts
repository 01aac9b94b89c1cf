/**
 * The streams of a connection that closed last.
 *
 * Thread: any (pure). RFC 9113 5.1: what the other side sends on a stream that we have reset was
 * perhaps on its way and is ignored; on a stream that has ended otherwise it is a mistake. No more
 * can have been on its way than the window of the stream had left.
 */

const KEPT = 256;

export const CLOSED_UNKNOWN = 0;
/** By the ends of both sides, or by the other side's reset. */
export const CLOSED_ENDED = 1;
export const CLOSED_BY_US = 2;
export type ClosedKind = typeof CLOSED_UNKNOWN | typeof CLOSED_ENDED | typeof CLOSED_BY_US;

export class ClosedStreams {
  /** A ring, once it has all its places; the newest stands before `next`. */
  private readonly streams: number[] = [];
  private readonly kinds: ClosedKind[] = [];
  /** Bytes of DATA that may still be on their way. */
  private readonly windows: number[] = [];
  private next = 0;

  // Hot path (bench/gateway/http2-single): once for every stream.
  /** `stream` was not added before; `window`: bytes of DATA that may be on their way on it. */
  add(stream: number, kind: ClosedKind, window: number): void {
    this.streams[this.next] = stream;
    this.kinds[this.next] = kind;
    this.windows[this.next] = window;
    this.next = (this.next + 1) % KEPT;
  }

  /** A frame of DATA with `bytes`. False: it cannot have been on its way when the stream closed. */
  takeInFlight(stream: number, bytes: number): boolean {
    const at = this.streams.indexOf(stream);
    const window = this.windows[at] ?? 0;
    if (bytes === 0 || bytes > window) return false;
    this.windows[at] = window - bytes;
    return true;
  }

  kindOf(stream: number): ClosedKind {
    return this.kinds[this.streams.indexOf(stream)] ?? CLOSED_UNKNOWN;
  }
}
