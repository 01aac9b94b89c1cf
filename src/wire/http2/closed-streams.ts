/**
 * The streams of a connection that closed last.
 *
 * Thread: any (pure). RFC 9113 5.1: what a client sends on a stream that we have reset was perhaps
 * on its way and is ignored; on a stream that has ended otherwise it is a mistake.
 */

const KEPT = 256;

export const CLOSED_UNKNOWN = 0;
/** By the ends of both sides, or by the client's reset. */
export const CLOSED_ENDED = 1;
export const CLOSED_BY_US = 2;
export type ClosedKind = typeof CLOSED_UNKNOWN | typeof CLOSED_ENDED | typeof CLOSED_BY_US;

export class ClosedStreams {
  /** A ring, once it has all its places; the newest stands before `next`. */
  private readonly streams: number[] = [];
  private readonly kinds: ClosedKind[] = [];
  private next = 0;

  // Hot path (bench/gateway/http2-single): once for every stream.
  /** `stream` was not added before. */
  add(stream: number, kind: ClosedKind): void {
    this.streams[this.next] = stream;
    this.kinds[this.next] = kind;
    this.next = (this.next + 1) % KEPT;
  }

  kindOf(stream: number): ClosedKind {
    return this.kinds[this.streams.indexOf(stream)] ?? CLOSED_UNKNOWN;
  }
}
