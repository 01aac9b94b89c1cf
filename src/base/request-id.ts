/**
 * Request ids: the client's id is kept when it is well formed, else a new one is made.
 *
 * Thread: any (pure). An id is unique but not secret: a random prefix of the thread (given by the
 * caller) and a counter.
 */

/** The field of every reply that holds the id. */
export const REQUEST_ID_FIELD = 'X-Request-Id';

const CLIENT_ID_CHARS_MAX = 128;

/** Digits of its number, with which every id that a source makes ends. */
export const ID_DIGITS = 8;
const DIGIT_0 = 48;
/** What makes an a of ten. */
const LETTER_A = 87;

export class RequestIdSource {
  private counter = 0;

  /** `prefix`: random hex of this thread. */
  constructor(readonly prefix: string) {}

  next(): string {
    return idOf(this.prefix, this.nextNumber());
  }

  /** The number of the next id, for who writes its text by itself: see {@link writeIdNumber}. */
  nextNumber(): number {
    this.counter = (this.counter + 1) >>> 0;
    return this.counter;
  }

  /**
   * The client's id when it has 1 to 128 letters, digits and characters of -_.:/+= ; else a new id.
   */
  keepOrMake(clientId: string): string {
    return isSaneRequestId(clientId) ? clientId : this.next();
  }
}

/** The id of a number of the source with this prefix. */
export function idOf(prefix: string, number: number): string {
  return `${prefix}-${number.toString(16).padStart(ID_DIGITS, '0')}`;
}

/** Writes the number of an id over the digits of another one, which begin at `at`. */
export function writeIdNumber(bytes: Uint8Array, at: number, number: number): void {
  let rest = number;
  for (let place = at + ID_DIGITS - 1; place >= at; place -= 1) {
    const digit = rest & 15;
    bytes[place] = digit + (digit < 10 ? DIGIT_0 : LETTER_A);
    rest >>>= 4;
  }
}

function isSaneRequestId(id: string): boolean {
  if (id.length === 0 || id.length > CLIENT_ID_CHARS_MAX) return false;
  for (let at = 0; at < id.length; at++) {
    if (!isIdChar(id.charCodeAt(at))) return false;
  }
  return true;
}

function isIdChar(code: number): boolean {
  const isLetter = (code | 32) >= 97 && (code | 32) <= 122;
  // 43 is +, 45 to 58 are - . / 0-9 : and 61 is =, 95 is _. A comma (44) would turn the id into a
  // list.
  return isLetter || (code >= 45 && code <= 58) || code === 43 || code === 61 || code === 95;
}
