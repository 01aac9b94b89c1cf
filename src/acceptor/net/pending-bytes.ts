/**
 * What a client has sent ahead of its turn.
 *
 * Thread: acceptor. Pieces are kept as they came, without a copy.
 */

/** With this much waiting nothing more is read. */
const BYTES_MAX = 64 * 1024;
/** Nor with this many pieces: each costs more memory than it has bytes. */
const PIECES_MAX = 64;

const NO_BYTES = Buffer.alloc(0);

export class PendingBytes {
  private readonly pieces: Buffer[] = [];
  private bytes = 0;

  get isEmpty(): boolean {
    return this.pieces.length === 0;
  }

  get isFull(): boolean {
    return this.bytes >= BYTES_MAX || this.pieces.length >= PIECES_MAX;
  }

  add(piece: Buffer): void {
    this.pieces.push(piece);
    this.bytes += piece.length;
  }

  /** What is left of the piece that was taken last. */
  putBack(rest: Buffer): void {
    this.pieces.unshift(rest);
    this.bytes += rest.length;
  }

  /** The first piece. */
  take(): Buffer {
    const first = this.pieces.shift() ?? NO_BYTES;
    this.bytes -= first.length;
    return first;
  }

  clear(): void {
    this.pieces.length = 0;
    this.bytes = 0;
  }
}
