/**
 * What the window of an upload has not taken, in order.
 *
 * Thread: acceptor. Owned by its exchange, which makes it when there is something to keep. The
 * pieces lie in buffers that all exchanges of the thread share in turn.
 */
import { BufferPool } from '../base/buffer-pool.js';
import { copyBytes } from '../base/copy-bytes.js';

/** The largest read of an engine: what of it the window does not take goes into one buffer. */
const READ_BYTES_MAX = 512 * 1024;
/** The acceptor keeps 4 MiB of such buffers at most. */
const KEPT_MAX = 8;
const pool = new BufferPool(READ_BYTES_MAX, KEPT_MAX);

const NO_ROOM: Buffer = Buffer.alloc(0);

/** Pieces that are smaller share memory: a client may send its body byte by byte. */
const SHARED_BYTES = 4096;

export class UploadOverflow {
  private readonly pieces: Buffer[] = [];
  /** Behind the last piece, for what follows it. */
  private room = NO_ROOM;
  /** The last piece is the last one of all. */
  private hasEnd = false;

  get isEmpty(): boolean {
    return this.pieces.length === 0;
  }

  /** `rest` is valid inside the call only. */
  add(rest: Uint8Array, isLast: boolean): void {
    this.hasEnd = isLast;
    const last = this.pieces.at(-1);
    if (last !== undefined && rest.length <= this.room.length) this.extend(last, rest);
    else if (rest.length < SHARED_BYTES) {
      this.room = Buffer.allocUnsafeSlow(SHARED_BYTES);
      this.pieces.push(this.take(rest));
    } else {
      this.room = NO_ROOM;
      this.pieces.push(pool.copyOf(rest));
    }
  }

  private extend(last: Buffer, rest: Uint8Array): void {
    const { buffer, byteOffset, length } = last;
    this.take(rest);
    this.pieces[this.pieces.length - 1] = Buffer.from(buffer, byteOffset, length + rest.length);
  }

  /** Puts `bytes` at the beginning of the room, which is behind them from now on. */
  private take(bytes: Uint8Array): Buffer {
    const { room } = this;
    copyBytes(bytes, room, 0);
    this.room = room.subarray(bytes.length);
    return Buffer.from(room.buffer, room.byteOffset, bytes.length);
  }

  /**
   * Offers the first piece to `send`, which returns how many bytes it has taken and is told whether
   * the upload ends with them. False: some of it is left.
   */
  trySendFirst(send: (piece: Uint8Array, isLast: boolean) => number): boolean {
    const [piece] = this.pieces;
    if (piece === undefined) return true;
    const sent = send(piece, this.hasEnd && this.pieces.length === 1);
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
