/**
 * The last lines of one thread, in shared memory: one writer, any number of readers.
 *
 * Thread: any (both ends). Bytes go round in a ring; two words count them, modulo 2^32: those that
 * may be there already, and those that are there. A reader takes a copy and leaves out what may
 * have been written over meanwhile. Should a line still come out torn, it is no record: readers
 * have to bear lines of any content.
 *
 *     byte      words, then bytes, from an offset that is a multiple of 128
 *     +0        uint32: bytes that are written or being written
 *     +4        uint32: bytes that are written
 *     +8        int32: 1 when the ring has been full
 *     +128      the bytes: lines in UTF-8, each with its line feed
 */

const RESERVED = 0;
const WRITTEN = 1;
const WAS_FULL = 2;
const WORDS = 3;
const BYTES_AT = 128;
const LINE_FEED = 0x0a;

/** Less would hold a handful of lines. */
const RING_BYTES_MIN = 4096;

/** Memory of a ring with a power of two of bytes, at most `bytes`; 0: there is no room for one. */
export function lineRingBytes(bytes: number): number {
  return bytes < RING_BYTES_MIN ? 0 : BYTES_AT + 2 ** Math.floor(Math.log2(bytes));
}

abstract class LineRingEnd {
  protected readonly words: Int32Array;
  protected readonly ring: Buffer;

  /** The ring reaches to the end of the memory. */
  constructor(memory: SharedArrayBuffer, offset: number) {
    this.words = new Int32Array(memory, offset, WORDS);
    this.ring = Buffer.from(memory, offset + BYTES_AT);
  }

  protected load(word: number): number {
    return Atomics.load(this.words, word) >>> 0;
  }
}

export class LineRingWriter extends LineRingEnd {
  private readonly scratch: Buffer;
  private at: number;

  /** Lines of more bytes are left out. */
  constructor(memory: SharedArrayBuffer, offset: number, lineBytesMax: number) {
    super(memory, offset);
    this.scratch = Buffer.alloc(Math.min(lineBytesMax, this.ring.byteLength) + 1);
    // A new thread on old memory goes on behind its predecessor. Of a line that this one died in
    // the middle of, the end is missing: with a line feed it is one that nobody can read.
    this.at = this.load(RESERVED);
    if (this.at !== this.load(WRITTEN)) this.write('\n');
  }

  /** Takes a line with its line feed. */
  write(line: string): void {
    const { scratch, ring, words } = this;
    const length = scratch.write(line, 'utf8');
    if (length === scratch.byteLength) return;
    const start = this.at & (ring.byteLength - 1);
    this.at = (this.at + length) >>> 0;
    Atomics.store(words, RESERVED, this.at | 0);
    const first = Math.min(length, ring.byteLength - start);
    scratch.copy(ring, start, 0, first);
    scratch.copy(ring, 0, first, length);
    if (start + length >= ring.byteLength) Atomics.store(words, WAS_FULL, 1);
    Atomics.store(words, WRITTEN, this.at | 0);
  }
}

export class LineRingReader extends LineRingEnd {
  /** The lines that are there, from the oldest to the latest. */
  read(): Buffer {
    const size = this.ring.byteLength;
    const wasFull = this.load(WAS_FULL) === 1;
    const written = this.load(WRITTEN);
    const copy = Buffer.from(this.ring);
    // What has been written since then stands where the oldest lines were.
    const intact = Math.max(0, size - ((this.load(RESERVED) - written) >>> 0));
    const kept = wasFull ? intact : Math.min(written, intact);
    const from = (written - kept) & (size - 1);
    const bytes = Buffer.concat([copy.subarray(from), copy.subarray(0, from)]).subarray(0, kept);
    const isWhole = !wasFull && kept === written;
    return isWhole ? bytes : bytes.subarray(bytes.indexOf(LINE_FEED) + 1);
  }
}
