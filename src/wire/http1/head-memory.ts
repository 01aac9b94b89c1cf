/**
 * Remembers the bytes of the last head of a connection, so that the same head is not read again.
 *
 * Thread: any (pure). Owns a copy of the bytes. Clients that keep a connection often send one head
 * over and over: a health check, a poll, each call of an RPC; and their replies differ in the body
 * alone. A head takes about ten times as long to read as to compare.
 *
 * Invariants: what is remembered stood in one piece, was good, and was read under the same rules
 * from the same connection: reading it again would say the same. The owner keeps what it says for
 * as long, and forgets the bytes when it does not. Nothing outlives the connection.
 */

/** Longer heads are read each time: what is kept for each connection has to be small. */
export const REMEMBERED_BYTES_MAX = 2048;
/** Reading fewer bytes of fields costs no more than to compare them and to copy their text. */
export const FIELDS_BYTES_MIN = 128;
/** Heads that pass at most, where none comes again, before one is remembered for nothing. */
const PAUSE_MAX = 127;
/** Memory is taken in steps of this, so that heads of similar length share it. */
const STEP_BYTES = 256;

const NO_BYTES = Buffer.alloc(0);

/**
 * Numbers for heads that have come again. None is given twice, whichever connection asks: whoever
 * has seen a number knows the head.
 */
export class HeadNumbers {
  private last = 0;

  next(): number {
    this.last += 1;
    return this.last;
  }
}

/** Heads that are not remembered after some that did not come again: more of them each time. */
export class HeadPause {
  private length = 0;
  private left = 0;

  /** Whether it lasts, for one head more. */
  takeOne(): boolean {
    if (this.left === 0) return false;
    this.left -= 1;
    return true;
  }

  /** It was in vain once more. */
  begin(): void {
    this.length = Math.min(2 * this.length + 1, PAUSE_MAX);
    this.left = this.length;
  }

  /** One has come again: the next pause is short. */
  forget(): void {
    this.length = 0;
  }
}

export class HeadMemory {
  private bytes = NO_BYTES;
  /** Bytes of the head that is remembered; 0: none is. */
  private length = 0;
  /** Of the last good head, remembered or not. */
  private lastLength = 0;
  private rules: object | null = null;
  /** What is remembered, or was last, has not come again. */
  private isUnproven = false;
  private readonly pause = new HeadPause();

  // Hot path (bench/gateway/plain-get): once for every head.
  /** How many bytes from `at` are the remembered head, with its end; 0: they are another one. */
  match(bytes: Buffer, at: number, end: number, rules: object): number {
    const { length } = this;
    if (length === 0 || end - at < length || rules !== this.rules) return 0;
    if (bytes.compare(this.bytes, 0, length, at, at + length) !== 0) return 0;
    this.isUnproven = false;
    this.pause.forget();
    return length;
  }

  /**
   * A good head stands from `start` to `end`. It is remembered if the one before was as long, and
   * not every time if that is in vain: who never sends a head twice pays for few copies, and who
   * sends one request keeps no memory.
   * Returns whether it is remembered now. `rules`: the object that says how it was read.
   */
  offer(bytes: Buffer, start: number, end: number, rules: object): boolean {
    if (this.pause.takeOne()) return false;
    const length = end - start;
    const mayRepeat = length === this.lastLength && length <= REMEMBERED_BYTES_MAX;
    this.lastLength = length;
    if (!mayRepeat || this.wasInVain()) return false;
    if (this.bytes.length < length) {
      this.bytes = Buffer.allocUnsafeSlow(Math.ceil(length / STEP_BYTES) * STEP_BYTES);
    }
    bytes.copy(this.bytes, 0, start, end);
    this.length = length;
    this.rules = rules;
    this.isUnproven = true;
    return true;
  }

  /** The last copy was never needed: the next ones wait, longer each time. */
  private wasInVain(): boolean {
    if (!this.isUnproven) return false;
    this.isUnproven = false;
    this.length = 0;
    this.pause.begin();
    return true;
  }

  /** Another head is read: what was remembered has no meaning any more. */
  forget(): void {
    this.length = 0;
  }
}

/**
 * The same of the fields of a request alone: clients send the same ones with each target. Only
 * those are remembered that say nothing but where they go: one Host, and no body.
 */
export class FieldsMemory {
  private readonly memory = new HeadMemory();
  /** What the scanner has made of them. */
  private text = NO_BYTES;
  private textBytes = 0;

  // Hot path (bench/gateway/plain-get): once for every head that is not known as a whole.
  /** How many bytes from `at` are the remembered fields, with their end; 0: they are others. */
  match(bytes: Buffer, at: number, end: number, rules: object): number {
    return this.memory.match(bytes, at, end, rules);
  }

  /** Writes the text of the remembered fields; returns where it ends. */
  writeText(target: Buffer, at: number): number {
    this.text.copy(target, at, 0, this.textBytes);
    return at + this.textBytes;
  }

  /** Neutral fields stand from `start` to `end`. True: they are remembered, and keep() is next. */
  offer(bytes: Buffer, start: number, end: number, rules: object): boolean {
    return this.memory.offer(bytes, start, end, rules);
  }

  /** What has become of these fields stands in `text`, from `start` to `end`. */
  keep(text: Buffer, start: number, end: number): void {
    const length = end - start;
    if (this.text.length < length) {
      this.text = Buffer.allocUnsafeSlow(Math.ceil(length / STEP_BYTES) * STEP_BYTES);
    }
    text.copy(this.text, 0, start, end);
    this.textBytes = length;
  }
}
