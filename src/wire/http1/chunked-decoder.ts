/**
 * Takes a chunked body apart as it comes, without copying any of it (RFC 9112 section 7.1).
 *
 * Thread: any (pure). Stricter than llhttp: CRLF only, nothing between size and line end but
 * well-formed extensions, both bounded; trailers are checked, bounded and kept apart.
 *
 * Invariant: however the input is cut into pieces, the data and the verdict are the same.
 */
import { type FieldBlock, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { CR, isTokenByte, isValueByte, LF } from './characters.js';
import { readTrailerLine } from './trailer-line.js';

/** All given bytes are used up, and more must come. */
export const CHUNK_MORE = 0;
/** `dataStart` to `dataEnd` is the next part of the body. */
export const CHUNK_DATA = 1;
/** The body and its trailers have ended. */
export const CHUNK_END = 2;
/** The body cannot be trusted any more. */
export const CHUNK_BAD = 3;
/** What a step has come to. */
export type ChunkEvent =
  | typeof CHUNK_MORE
  | typeof CHUNK_DATA
  | typeof CHUNK_END
  | typeof CHUNK_BAD;

/** Digits of a size; a larger chunk could not be counted exactly. */
const SIZE_DIGITS_MAX = 13;
/** Bytes of extensions in one body. */
const EXTENSION_BYTES_MAX = 4096;
/** Bytes of trailer fields in one body. */
const TRAILER_BYTES_MAX = 8192;
/** Trailer fields in one body. */
const TRAILER_FIELDS_MAX = 64;

const SIZE_START = 0;
const SIZE = 1;
const EXTENSION_START = 2;
const EXTENSION_NAME = 3;
const EXTENSION_VALUE_START = 4;
const EXTENSION_VALUE = 5;
const EXTENSION_QUOTED = 6;
const EXTENSION_ESCAPED = 7;
const EXTENSION_QUOTED_END = 8;
const SIZE_LF = 9;
const DATA = 10;
const DATA_CR = 11;
const DATA_LF = 12;
const TRAILER = 13;
const END = 14;
const BAD = 15;
type ChunkState =
  | typeof SIZE_START
  | typeof SIZE
  | typeof EXTENSION_START
  | typeof EXTENSION_NAME
  | typeof EXTENSION_VALUE_START
  | typeof EXTENSION_VALUE
  | typeof EXTENSION_QUOTED
  | typeof EXTENSION_ESCAPED
  | typeof EXTENSION_QUOTED_END
  | typeof SIZE_LF
  | typeof DATA
  | typeof DATA_CR
  | typeof DATA_LF
  | typeof TRAILER
  | typeof END
  | typeof BAD;

const QUOTE = 34;
const SEMICOLON = 59;
const EQUALS = 61;
const BACKSLASH = 92;

export class ChunkedDecoder {
  /** Where the next step begins. */
  at = 0;
  dataStart = 0;
  dataEnd = 0;
  /** Fields behind the body, once it has ended. */
  trailers: FieldBlock = NO_FIELDS;

  private state: ChunkState = SIZE_START;
  /** Names with an underscore stay; else such fields are dropped. */
  private keepsUnderscores = true;
  private size = 0;
  private sizeDigits = 0;
  private extensionBytes = 0;
  private trailerBytes = 0;
  private trailerCount = 0;
  private line = '';

  /** Begins another body. */
  reset(keepsUnderscores = true): void {
    this.keepsUnderscores = keepsUnderscores;
    this.trailers = NO_FIELDS;
    this.trailerCount = 0;
    this.state = SIZE_START;
    this.size = 0;
    this.sizeDigits = 0;
    this.extensionBytes = 0;
    this.trailerBytes = 0;
    this.line = '';
  }

  // Hot path: every byte that is not data; bench/micro/worker/upstream-transport watches it.
  /** Reads `bytes` from `start` until there is something to tell, at most to `end`. */
  step(bytes: Buffer, start: number, end: number): ChunkEvent {
    this.at = start;
    while (this.at < end) {
      if (this.state === DATA) return this.takeData(end);
      if (this.state === TRAILER) this.takeTrailer(bytes, end);
      else if (this.state < SIZE_LF) this.state = this.afterSizeByte(bytes[this.at++] ?? 0);
      else this.state = this.afterLineByte(bytes[this.at++] ?? 0);
      if (this.state === END) return CHUNK_END;
      if (this.state === BAD) return CHUNK_BAD;
    }
    return CHUNK_MORE;
  }

  private takeData(end: number): ChunkEvent {
    const bytes = Math.min(this.size, end - this.at);
    this.dataStart = this.at;
    this.dataEnd = this.at + bytes;
    this.at = this.dataEnd;
    this.size -= bytes;
    if (this.size === 0) this.state = DATA_CR;
    return CHUNK_DATA;
  }

  /** In the line that begins a chunk. */
  private afterSizeByte(byte: number): ChunkState {
    if (this.state <= SIZE) {
      const digit = hexDigit(byte);
      if (digit !== -1) return this.addDigit(digit);
      if (this.state === SIZE_START) return BAD;
      if (byte === CR) return SIZE_LF;
      return byte === SEMICOLON ? EXTENSION_START : BAD;
    }
    if (++this.extensionBytes > EXTENSION_BYTES_MAX) return BAD;
    if (this.state < EXTENSION_VALUE_START) return this.afterNameByte(byte);
    return this.afterValueByte(byte);
  }

  private addDigit(digit: number): ChunkState {
    if (++this.sizeDigits > SIZE_DIGITS_MAX) return BAD;
    this.size = this.size * 16 + digit;
    return SIZE;
  }

  private afterNameByte(byte: number): ChunkState {
    if (isTokenByte(byte)) return EXTENSION_NAME;
    if (this.state === EXTENSION_START) return BAD;
    return byte === EQUALS ? EXTENSION_VALUE_START : afterExtension(byte);
  }

  private afterValueByte(byte: number): ChunkState {
    switch (this.state) {
      case EXTENSION_VALUE_START:
        if (byte === QUOTE) return EXTENSION_QUOTED;
        return isTokenByte(byte) ? EXTENSION_VALUE : BAD;
      case EXTENSION_VALUE:
        return isTokenByte(byte) ? EXTENSION_VALUE : afterExtension(byte);
      case EXTENSION_QUOTED:
        if (byte === QUOTE) return EXTENSION_QUOTED_END;
        if (byte === BACKSLASH) return EXTENSION_ESCAPED;
        return isValueByte(byte) ? EXTENSION_QUOTED : BAD;
      case EXTENSION_ESCAPED:
        return isValueByte(byte) ? EXTENSION_QUOTED : BAD;
      default:
        return afterExtension(byte);
    }
  }

  private afterLineByte(byte: number): ChunkState {
    switch (this.state) {
      case SIZE_LF:
        if (byte !== LF) return BAD;
        this.sizeDigits = 0;
        return this.size === 0 ? TRAILER : DATA;
      case DATA_CR:
        return byte === CR ? DATA_LF : BAD;
      default:
        return byte === LF ? SIZE_START : BAD;
    }
  }

  /** Takes up to one line of the trailer section. */
  private takeTrailer(bytes: Buffer, end: number): void {
    let stop = this.at;
    while (stop < end && bytes[stop] !== LF) stop++;
    const isWhole = stop < end;
    if (isWhole) stop++;
    this.trailerBytes += stop - this.at;
    if (this.trailerBytes > TRAILER_BYTES_MAX) {
      this.state = BAD;
      return;
    }
    this.line += bytes.toString('latin1', this.at, stop);
    this.at = stop;
    if (!isWhole) return;
    if (this.line === '\r\n') this.state = END;
    else if (!this.takeTrailerLine()) this.state = BAD;
    this.line = '';
  }

  private takeTrailerLine(): boolean {
    if (++this.trailerCount > TRAILER_FIELDS_MAX) return false;
    const fields = readTrailerLine(this.line, this.keepsUnderscores);
    if (fields !== null) this.trailers = joinFields(this.trailers, fields);
    return fields !== null;
  }

  /** What has ended the body before its time; for the log. */
  get reason(): string {
    return this.trailerBytes > 0 ? 'a bad trailer field' : 'a bad chunk';
  }
}

/** Behind a whole extension: another one, or the end of the line. */
function afterExtension(byte: number): ChunkState {
  if (byte === SEMICOLON) return EXTENSION_START;
  return byte === CR ? SIZE_LF : BAD;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
