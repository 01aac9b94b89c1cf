/**
 * Where the events of an event stream end, so that a comment may be put between two of them.
 *
 * Thread: any (pure). Nothing of the stream is changed and nothing is kept of it but how its last
 * bytes look. An event ends with an empty line; lines end with CRLF, LF or CR (HTML Living
 * Standard 9.2.5), each of which may be cut between two pieces.
 *
 *     IN_LINE ──ending──► LINE_START ──ending──► BORDER        any other byte ──► IN_LINE
 *
 * Invariant: however a stream is cut into pieces, the border is at the same places.
 */

const LF = 10;
const CR = 13;
/** Two line endings have at most as many bytes: no earlier byte says whether an event has ended. */
const TAIL_BYTES = 4;

const IN_LINE = 0;
const LINE_START = 1;
const BORDER = 2;
type Place = typeof IN_LINE | typeof LINE_START | typeof BORDER;

/** A byte order mark, which counts as one at the beginning of a stream only. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export class EventBorders {
  /** A stream may begin with a comment. */
  private place: Place = BORDER;
  private endsWithCr = false;
  /** A CR that no LF follows has ended a line: the stream ends its lines so. */
  private hasBareCr = false;

  /** All that has come ends with a whole event, or with a comment and the empty line behind it. */
  get isAtBorder(): boolean {
    // Behind CR the LF of the same ending may be on its way.
    return this.place === BORDER && (!this.endsWithCr || this.hasBareCr);
  }

  /** The next bytes of the stream. */
  pass(bytes: Uint8Array): void {
    let at = 0;
    if (bytes.length > TAIL_BYTES) {
      at = bytes.length - TAIL_BYTES;
      // What stands before them makes no difference any more.
      this.place = IN_LINE;
      this.endsWithCr = bytes[at - 1] === CR;
    }
    for (; at < bytes.length; at++) this.passByte(bytes[at] ?? 0);
  }

  private passByte(byte: number): void {
    const isSecondHalf = byte === LF && this.endsWithCr;
    if (this.endsWithCr && !isSecondHalf) this.hasBareCr = true;
    this.endsWithCr = byte === CR;
    if (isSecondHalf) return;
    if (byte === CR || byte === LF) this.place = this.place === IN_LINE ? LINE_START : BORDER;
    else this.place = IN_LINE;
  }
}

/**
 * Takes the byte order mark out of the beginning of a stream in front of which something else was
 * sent: there it would be a part of the first field's name.
 */
export class MarkRemover {
  /** Bytes of the mark that have come. */
  private matched = 0;
  private isOver = false;

  /** What is to be sent of the next bytes. */
  take(bytes: Buffer): Buffer {
    if (this.isOver) return bytes;
    let at = 0;
    while (at < bytes.length && this.matched < MARK.length && bytes[at] === MARK[this.matched]) {
      at++;
      this.matched++;
    }
    if (this.matched === MARK.length) {
      this.isOver = true;
      return bytes.subarray(at);
    }
    if (at === bytes.length) return bytes.subarray(at);
    this.isOver = true;
    const before = this.matched - at;
    return before === 0 ? bytes : Buffer.concat([MARK.subarray(0, before), bytes]);
  }

  /** The stream has ended: what was held back, as it was no mark. */
  rest(): Buffer {
    const held = this.isOver ? 0 : this.matched;
    this.isOver = true;
    return MARK.subarray(0, held);
  }
}
