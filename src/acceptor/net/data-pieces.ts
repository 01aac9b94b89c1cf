/**
 * Puts small pieces of bodies together that one read has brought.
 *
 * Thread: acceptor. A client that sends its body in frames of a byte must not cost a record of the
 * lane for each: they are moved together inside the bytes of the read, over framing that was read
 * already. Invariant: nothing is kept from one read to the next.
 */

/** Larger pieces stay where they are: a record costs less than moving them. */
const MOVED_BYTES_MAX = 1024;

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Where the pieces of one stream go. */
export interface PieceSink {
  onData(bytes: Buffer, isLast: boolean): void;
}

export class DataPieces {
  private sink: PieceSink | null = null;
  private input = NO_BYTES;
  private start = 0;
  private end = 0;

  /** A read begins. */
  begin(input: Buffer): void {
    this.input = input;
  }

  // Hot path (bench/gateway/stream-up): each piece.
  /** `piece`: a part of the read. */
  add(sink: PieceSink, piece: Buffer, isLast: boolean): void {
    const at = piece.byteOffset - this.input.byteOffset;
    if (this.sink === sink && piece.length <= MOVED_BYTES_MAX) {
      this.input.copyWithin(this.end, at, at + piece.length);
      this.end += piece.length;
    } else {
      this.flush();
      this.sink = sink;
      this.start = at;
      this.end = at + piece.length;
    }
    if (isLast) this.give(true);
  }

  /** Hands over what there is: before anything else that the stream brings. */
  flush(): void {
    if (this.sink !== null) this.give(false);
  }

  /** The read is over. */
  finish(): void {
    this.flush();
    this.input = NO_BYTES;
  }

  private give(isLast: boolean): void {
    const { sink, input, start, end } = this;
    this.sink = null;
    sink?.onData(input.subarray(start, end), isLast);
  }
}
