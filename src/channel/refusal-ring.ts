/**
 * The last refusals of one thread, in shared memory: one writer, any number of readers.
 *
 * Thread: any (both ends). A reader leaves out a slot that is being written.
 *
 *     byte      64 slots of 512 bytes, from an offset that is a multiple of 128
 *     +0        int32: number of the note, from 1; negative while it is written; 0: free
 *     +4        int32: what it is about, the caller's own number
 *     +8        float64: when, in milliseconds since 1970
 *     +16       int32: bytes of text
 *     +20       text in UTF-8, fields separated by line feeds
 *
 * Notes are a sample: a thread writes at most one in SPACING_MS, so that a flood of refusals costs
 * next to nothing.
 */

const SLOTS = 64;
const SLOT_BYTES = 512;
const SLOT_WORDS = SLOT_BYTES / 4;
const TEXT_BYTE = 20;
const TEXT_BYTES_MAX = SLOT_BYTES - TEXT_BYTE;
const SPACING_MS = 10;

export const REFUSAL_RING_BYTES = SLOTS * SLOT_BYTES;

/** One refusal as it was noted. */
export interface RefusalNote {
  readonly about: number;
  readonly unixMs: number;
  readonly fields: readonly string[];
}

abstract class RefusalRingEnd {
  protected readonly words: Int32Array;
  protected readonly floats: Float64Array;
  protected readonly bytes: Buffer;

  constructor(buffer: SharedArrayBuffer, offset: number) {
    this.words = new Int32Array(buffer, offset, REFUSAL_RING_BYTES / 4);
    this.floats = new Float64Array(buffer, offset, REFUSAL_RING_BYTES / 8);
    this.bytes = Buffer.from(buffer, offset, REFUSAL_RING_BYTES);
  }
}

export class RefusalRingWriter extends RefusalRingEnd {
  private lastMs = 0;
  private number = 0;

  constructor(buffer: SharedArrayBuffer, offset: number) {
    super(buffer, offset);
    // A new thread on old memory goes on behind the last note.
    for (let slot = 0; slot < SLOTS; slot += 1) {
      this.number = Math.max(this.number, Math.abs(this.words[slot * SLOT_WORDS] ?? 0));
    }
  }

  /** Whether enough time has passed for another note. Hot path (bench/gateway/refused-by-limit). */
  isDue(nowMs: number): boolean {
    return nowMs - this.lastMs >= SPACING_MS;
  }

  /** `nowMs` is on the monotonic clock. Line feeds become blanks; text that is too long is cut. */
  note(nowMs: number, { about, unixMs, fields }: RefusalNote): void {
    this.lastMs = nowMs;
    this.number = (this.number % 0x7ffffffe) + 1;
    const slot = this.number % SLOTS;
    const word = slot * SLOT_WORDS;
    Atomics.store(this.words, word, -this.number);
    const at = slot * SLOT_BYTES + TEXT_BYTE;
    const text = fields.map((field) => field.replaceAll('\n', ' ')).join('\n');
    this.words[word + 1] = about;
    this.floats[(word + 2) >> 1] = unixMs;
    this.words[word + 4] = this.bytes.write(text, at, TEXT_BYTES_MAX, 'utf8');
    Atomics.store(this.words, word, this.number);
  }
}

export class RefusalRingReader extends RefusalRingEnd {
  /** All notes in the ring, in any order. */
  read(): RefusalNote[] {
    const notes: RefusalNote[] = [];
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const word = slot * SLOT_WORDS;
      const number = Atomics.load(this.words, word);
      if (number <= 0) continue;
      const about = this.words[word + 1] ?? 0;
      const unixMs = this.floats[(word + 2) >> 1] ?? 0;
      const length = Math.min(this.words[word + 4] ?? 0, TEXT_BYTES_MAX);
      const at = slot * SLOT_BYTES + TEXT_BYTE;
      const fields = this.bytes.toString('utf8', at, at + length).split('\n');
      if (Atomics.load(this.words, word) === number) notes.push({ about, unixMs, fields });
    }
    return notes;
  }
}
