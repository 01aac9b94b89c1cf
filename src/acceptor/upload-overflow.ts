/**
 * What the window of an upload has not taken, in order.
 *
 * Thread: acceptor. Owned by its exchange, which makes it when there is something to keep. The
 * pieces lie in buffers that all exchanges of the thread share in turn.
 */
import { BufferPool } from '../base/buffer-pool.js';
import { JoinedPieces } from '../base/joined-pieces.js';

/** The largest read of an engine: what of it the window does not take goes into one buffer. */
const READ_BYTES_MAX = 512 * 1024;
/** The acceptor keeps 4 MiB of such buffers at most. */
const KEPT_MAX = 8;
const pool = new BufferPool(READ_BYTES_MAX, KEPT_MAX);

export class UploadOverflow {
  private readonly pieces: Buffer[] = [];
  private readonly joined = new JoinedPieces();
  /** The last piece is the last one of all. */
  private hasEnd = false;

  get isEmpty(): boolean {
    return this.pieces.length === 0;
  }

  /** `rest` is valid inside the call only. */
  add(rest: Uint8Array, isLast: boolean): void {
    this.hasEnd = isLast;
    if (!this.joined.tryAdd(this.pieces, rest)) this.pieces.push(pool.copyOf(rest));
  }

  /**
   * Offers the first piece to `send`, which returns how many bytes it has taken and is told whether
   * the upload ends with them. False: some of it is left.
   */
  trySendFirst(send: (piece: Uint8Array, isLast: boolean) => number): boolean {
    const [piece] = this.pieces;
    if (piece === undefined) return true;
    const sent = send(piece, this.hasEnd && this.pieces.length === 1);
    // Whoever took it may have ended the exchange: it was dropped, and its memory has gone back.
    if (this.isEmpty) return true;
    if (sent < piece.length) {
      this.pieces[0] = piece.subarray(sent);
      return false;
    }
    this.pieces.shift();
    pool.release(piece);
    return true;
  }

  /** Nobody wants it any more. */
  drop(): void {
    for (const piece of this.pieces) pool.release(piece);
    this.pieces.length = 0;
  }
}
