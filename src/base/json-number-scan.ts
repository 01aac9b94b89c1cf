/**
 * Finds a number by its JSON pointer in a document that passes by, in bounded memory.
 *
 * Thread: any (pure). Keeps where it is, never what it has read: a document may be as long as it
 * likes. It trusts the document to be JSON, and finds nothing more in what is not; of members with
 * the same name the last one counts, as with JSON.parse.
 */

/** No number was found. */
export const NO_NUMBER = -1;

/** Containers within one another. What lies deeper is not looked at. */
const DEPTH_MAX = 128;
/** A longer name in the document is none of the pointer. */
const NAME_BYTES_MAX = 1024;
const NUMBER_BYTES_MAX = 40;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;

/** What the next bytes are part of. */
const BETWEEN = 0;
const IN_NAME = 1;
const IN_TEXT = 2;
const IN_SCALAR = 3;
/** The document is not what it should be: nothing is looked for any more. */
const GIVEN_UP = 4;

export class JsonNumberScan {
  /** The last number found, not below 0; else {@link NO_NUMBER}. */
  value = NO_NUMBER;
  private state = BETWEEN;
  private isEscaped = false;
  private depth = 0;
  /** Containers that are open, from the outermost on, along the pointer. */
  private onPath = 0;
  /** Whether the next value lies along the pointer. */
  private isHit = true;
  /** An object wants a name next, not a value. */
  private wantsName = false;
  /** By depth: 1 for an object. */
  private readonly isObject = new Uint8Array(DEPTH_MAX + 1);
  /** By depth, of lists along the pointer: the item that is read. */
  private readonly items: number[];
  private readonly token = Buffer.alloc(NAME_BYTES_MAX);
  private tokenBytes = 0;

  /** `keys`: of the pointer, at least one. */
  constructor(private readonly keys: readonly string[]) {
    this.items = new Array<number>(keys.length + 1).fill(0);
  }

  /** Begins with another document. */
  begin(): void {
    this.value = NO_NUMBER;
    this.state = BETWEEN;
    this.isEscaped = false;
    this.depth = 0;
    this.onPath = 0;
    this.isHit = true;
    this.wantsName = false;
    this.tokenBytes = 0;
  }

  /** The next bytes of the document, `from` inclusive, `to` exclusive. */
  push(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    while (at < to) {
      switch (this.state) {
        case IN_NAME:
        case IN_TEXT:
          at = this.readText(bytes, at, to);
          break;
        case GIVEN_UP:
          return;
        default:
          this.readByte(bytes[at] as number);
          at += 1;
      }
    }
  }

  /** Names and texts: up to the quote that ends them. */
  private readText(bytes: Uint8Array, from: number, to: number): number {
    const isKept = this.state === IN_NAME && this.isHit;
    for (let at = from; at < to; at += 1) {
      const byte = bytes[at] as number;
      if (this.isEscaped) this.isEscaped = false;
      else if (byte === BACKSLASH) this.isEscaped = true;
      else if (byte === QUOTE) {
        this.endText();
        return at + 1;
      }
      if (isKept) this.keep(byte);
    }
    return to;
  }

  private keep(byte: number): void {
    if (this.tokenBytes < NAME_BYTES_MAX) this.token[this.tokenBytes] = byte;
    this.tokenBytes += 1;
  }

  private endText(): void {
    if (this.state === IN_NAME && this.isHit) this.isHit = this.isNameHit();
    this.state = BETWEEN;
  }

  private isNameHit(): boolean {
    if (this.tokenBytes > NAME_BYTES_MAX) return false;
    const text = this.token.toString('utf8', 0, this.tokenBytes);
    return unescaped(text) === this.keys[this.depth - 1];
  }

  private readByte(byte: number): void {
    if (this.state === IN_SCALAR) {
      if (!isDelimiter(byte)) {
        if (this.isHit) this.keep(byte);
        return;
      }
      this.endScalar();
    }
    switch (byte) {
      case QUOTE:
        this.beginText();
        return;
      case OPEN_OBJECT:
      case OPEN_LIST:
        this.open(byte === OPEN_OBJECT);
        return;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        this.close();
        return;
      case COMMA:
        this.nextItem();
        return;
      case COLON:
        this.wantsName = false;
        return;
      default:
        if (byte > SPACE) this.beginScalar(byte);
    }
  }

  private beginText(): void {
    this.tokenBytes = 0;
    if (this.wantsName) {
      this.state = IN_NAME;
      this.isHit = this.onPath === this.depth && this.depth <= this.keys.length;
      return;
    }
    this.state = IN_TEXT;
    this.isHit = false;
  }

  private beginScalar(byte: number): void {
    this.state = IN_SCALAR;
    this.tokenBytes = 0;
    this.isHit &&= this.depth === this.keys.length;
    if (this.isHit) this.keep(byte);
  }

  private endScalar(): void {
    this.state = BETWEEN;
    if (!this.isHit) return;
    this.isHit = false;
    if (this.tokenBytes > NUMBER_BYTES_MAX) return;
    const text = this.token.toString('latin1', 0, this.tokenBytes);
    if (!/^\d[\d.eE+-]*$/.test(text)) return;
    const number = Number(text);
    if (Number.isFinite(number)) this.value = number;
  }

  private open(isObject: boolean): void {
    if (this.depth === DEPTH_MAX) {
      this.state = GIVEN_UP;
      return;
    }
    const isOnPath = this.isHit && this.onPath === this.depth && this.depth < this.keys.length;
    this.depth += 1;
    this.isObject[this.depth] = isObject ? 1 : 0;
    this.wantsName = isObject;
    this.isHit = false;
    if (!isOnPath) return;
    this.onPath = this.depth;
    this.items[this.depth] = 0;
    if (!isObject) this.isHit = this.keys[this.depth - 1] === '0';
  }

  private close(): void {
    if (this.depth === 0) {
      this.state = GIVEN_UP;
      return;
    }
    this.depth -= 1;
    this.onPath = Math.min(this.onPath, this.depth);
    this.wantsName = false;
    this.isHit = false;
  }

  private nextItem(): void {
    this.isHit = false;
    this.wantsName = this.isObject[this.depth] === 1;
    if (this.wantsName || this.depth === 0 || this.onPath !== this.depth) return;
    const item = (this.items[this.depth] as number) + 1;
    this.items[this.depth] = item;
    this.isHit = this.keys[this.depth - 1] === String(item);
  }
}

function isDelimiter(byte: number): boolean {
  return (
    byte <= SPACE ||
    byte === COMMA ||
    byte === CLOSE_OBJECT ||
    byte === CLOSE_LIST ||
    byte === QUOTE
  );
}

/** A name as it is meant. What cannot be read is no name of a pointer. */
function unescaped(text: string): string | null {
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return null;
  }
}
