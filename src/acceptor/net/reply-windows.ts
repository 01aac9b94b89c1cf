/**
 * How far the replies of one HTTP/2 connection run ahead of their client, all together.
 *
 * Thread: acceptor. Owned by its connection. A worker sends as much of a reply as its window says,
 * and what the client does not take of that waits in memory: a client that opens many streams and
 * reads none would make the windows of all of them wait. So they come out of what the connection
 * may keep: the more of it is given, the smaller is the window of a further stream. A window grows
 * while its client takes all that comes, and is given back when its reply has gone out.
 *
 * Invariant: the windows together are `bytesMax` at most, and WINDOW_BYTES_LEAST for each stream.
 */
import { WINDOW_BYTES, WINDOW_UNIT_BYTES } from '../../channel/lane.js';

/** Every stream has as much, however many there are. */
const WINDOW_BYTES_LEAST = 2 * WINDOW_UNIT_BYTES;
/** A window begins with no more: most replies are shorter. */
const WINDOW_BYTES_FIRST = 128 * 1024;
/** The part of what is left that one stream may get at once. */
const SHARE = 1 / 4;

export class ReplyWindows {
  /** Bytes of replies that wait for their windows of HTTP/2, or for the socket. */
  keptBytes = 0;
  private givenBytes = 0;

  /** `bytesMax`: for all streams together. */
  constructor(private readonly bytesMax: number) {}

  /** The window of a further stream. */
  open(): number {
    const share = Math.min(WINDOW_BYTES_FIRST, this.share);
    const bytes = Math.max(WINDOW_BYTES_LEAST, share);
    this.givenBytes += bytes;
    return bytes;
  }

  /** How much a window of `bytes` grows, whose client has taken all that came. */
  grow(bytes: number): number {
    const more = Math.min(bytes, WINDOW_BYTES - bytes, this.share);
    this.givenBytes += more;
    return more;
  }

  /** The window is needed no more. */
  close(bytes: number): void {
    this.givenBytes -= bytes;
  }

  private get share(): number {
    const bytes = Math.max(0, this.bytesMax - this.givenBytes) * SHARE;
    return bytes - (bytes % WINDOW_UNIT_BYTES);
  }
}
