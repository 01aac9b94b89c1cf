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
  private readonly kinds = new Map<number, ClosedKind>();

  add(stream: number, kind: ClosedKind): void {
    this.kinds.set(stream, kind);
    if (this.kinds.size <= KEPT) return;
    for (const oldest of this.kinds.keys()) {
      this.kinds.delete(oldest);
      return;
    }
  }

  kindOf(stream: number): ClosedKind {
    return this.kinds.get(stream) ?? CLOSED_UNKNOWN;
  }
}
