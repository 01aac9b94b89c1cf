/**
 * What each byte of an HTTP/1.1 head may be part of.
 *
 * Thread: any (pure). RFC 9110 5.5 and 5.6.2, RFC 3986 3.
 */

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const PERCENT = 37;
export const SLASH = 47;
export const DIGIT_0 = 48;
export const DIGIT_9 = 57;
export const COLON = 58;
export const UNDERSCORE = 95;

function byteTable(entryOf: (char: string, code: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => entryOf(String.fromCharCode(code), code));
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]/;

/** 1: may stand in a token: a method, the name of a field. */
export const TOKEN_BYTES = byteTable((char) => (TOKEN.test(char) ? 1 : 0));

/** 1: may stand in the value of a field; bytes above 0x7f too (obs-text). */
export const VALUE_BYTES = byteTable((_, code) =>
  code === TAB || (code >= SPACE && code !== 0x7f) ? 1 : 0,
);

/**
 * The byte of a name in lower case; 0: no name has it. An underscore is 0 too: names that have one
 * are looked at more closely.
 */
export const NAME_BYTES = byteTable((char) =>
  TOKEN.test(char) && char !== '_' ? char.toLowerCase().charCodeAt(0) : 0,
);

export const TARGET_FORBIDDEN = 0;
export const TARGET_PLAIN = 1;
/** No URI has it, and clients send it nevertheless: it is written as its percent-encoding. */
export const TARGET_RAW = 2;

/** What is done with a byte of a request's target. Fragments are never sent, so `#` is wrong. */
export const TARGET_BYTES = byteTable((char, code) => {
  if (code <= SPACE || code === 0x7f || char === '#') return TARGET_FORBIDDEN;
  return code > 0x7f || '"<>\\^`{|}'.includes(char) ? TARGET_RAW : TARGET_PLAIN;
});

const HEX = '0123456789ABCDEF';

/** The two digits of a percent-encoding, by the byte. */
export const HEX_HIGH = byteTable((_, code) => HEX.charCodeAt(code >> 4));
export const HEX_LOW = byteTable((_, code) => HEX.charCodeAt(code & 15));

export function isTokenByte(code: number): boolean {
  return TOKEN_BYTES[code] === 1;
}

export function isValueByte(code: number): boolean {
  return VALUE_BYTES[code] === 1;
}

export function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** A character above 0xff is in no table. */
export function areAllIn(table: Uint8Array, text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    if (table[text.charCodeAt(at)] !== 1) return false;
  }
  return true;
}
