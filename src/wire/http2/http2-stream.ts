/**
 * One stream of a connection: what both sides keep of it.
 *
 * Thread: any (pure). RFC 9113 5.1 and 5.2. Only the connection writes to it, but for `owner`.
 *
 * Invariants: sendWindow and receiveWindow never exceed 2^31-1; what was received and not credited
 * is counted until the stream ends.
 */

export class Http2Stream {
  /** What whoever uses the stream keeps with it. */
  owner: unknown = null;
  /** The other side has ended its part, or the stream was reset. */
  isRemoteClosed = false;
  /** We have ended ours. */
  isLocalClosed = false;
  /** Nothing happens on it any more. */
  isOver = false;
  /** Bytes of the body that must still come; -1: not known. */
  lengthLeft = -1;
  /** Bytes that came and were not credited yet. */
  uncredited = 0;
  /** Bytes that were credited and not told yet. */
  untold = 0;
  /** Since when it waits for the other side to open a window; -1: it does not. */
  blockedSinceMs = -1;

  constructor(
    readonly id: number,
    /** May be negative (RFC 9113 6.9.2). */
    public sendWindow: number,
    public receiveWindow: number,
  ) {}
}
