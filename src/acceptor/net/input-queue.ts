/**
 * What a client has sent ahead of its turn, and whether more is read.
 *
 * Thread: acceptor. Owns whether the socket is paused. Pieces are kept as they came, uncopied.
 */
import type { Socket } from 'node:net';

/** With this much waiting nothing more is read. */
const BYTES_MAX = 64 * 1024;
/** Nor with this many pieces: each costs more memory than it has bytes. */
const PIECES_MAX = 64;

const NO_BYTES = Buffer.alloc(0);

export class InputQueue {
  /** The exchange wants no more for now. */
  isPauseWanted = false;

  private isPaused = false;
  private readonly pieces: Buffer[] = [];
  private bytes = 0;

  constructor(private readonly socket: Socket) {}

  get isEmpty(): boolean {
    return this.pieces.length === 0;
  }

  private get isFull(): boolean {
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

  /** Reads, or does not, by what is wanted and by what waits. */
  applyPause(): void {
    const mustPause = this.isPauseWanted || this.isFull;
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.socket.pause();
    else this.socket.resume();
  }
}
