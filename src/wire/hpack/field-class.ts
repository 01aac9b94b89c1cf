/**
 * What a field of HTTP/2 is, by its name, and whether HTTP/2 allows it at all.
 *
 * Thread: any (pure). RFC 9113 8.2 and 8.3. The class of a field is found once: the tables of HPACK
 * keep it with their entries, so that fields of which only the index is sent are not read again.
 */
import { isBlank, NAME_BYTES, UNDERSCORE, VALUE_BYTES } from '../http1/characters.js';

/** A name or a value that no field has, or a pseudo-field that nobody has defined. */
export const FIELD_MALFORMED = 0;
export const FIELD_ORDINARY = 1;
/** Its name has an underscore. */
export const FIELD_UNDERSCORE = 2;
/** It says something of an HTTP/1.1 connection (RFC 9113 8.2.2). */
export const FIELD_OF_CONNECTION = 3;
export const FIELD_TE = 4;
export const FIELD_HOST = 5;
export const FIELD_COOKIE = 6;
export const FIELD_EXPECT = 7;
export const FIELD_LENGTH = 8;
export const FIELD_TRAILER = 9;
export const PSEUDO_METHOD = 10;
export const PSEUDO_SCHEME = 11;
export const PSEUDO_AUTHORITY = 12;
export const PSEUDO_PATH = 13;
export const PSEUDO_PROTOCOL = 14;
export const PSEUDO_STATUS = 15;
export type FieldClass =
  | typeof FIELD_MALFORMED
  | typeof FIELD_ORDINARY
  | typeof FIELD_UNDERSCORE
  | typeof FIELD_OF_CONNECTION
  | typeof FIELD_TE
  | typeof FIELD_HOST
  | typeof FIELD_COOKIE
  | typeof FIELD_EXPECT
  | typeof FIELD_LENGTH
  | typeof FIELD_TRAILER
  | typeof PSEUDO_METHOD
  | typeof PSEUDO_SCHEME
  | typeof PSEUDO_AUTHORITY
  | typeof PSEUDO_PATH
  | typeof PSEUDO_PROTOCOL
  | typeof PSEUDO_STATUS;

const COLON = 58;

const SPECIAL_NAMES: ReadonlyMap<string, FieldClass> = new Map<string, FieldClass>([
  ['connection', FIELD_OF_CONNECTION],
  ['keep-alive', FIELD_OF_CONNECTION],
  ['proxy-connection', FIELD_OF_CONNECTION],
  ['transfer-encoding', FIELD_OF_CONNECTION],
  ['upgrade', FIELD_OF_CONNECTION],
  ['te', FIELD_TE],
  ['host', FIELD_HOST],
  ['cookie', FIELD_COOKIE],
  ['expect', FIELD_EXPECT],
  ['content-length', FIELD_LENGTH],
  ['trailer', FIELD_TRAILER],
  [':method', PSEUDO_METHOD],
  [':scheme', PSEUDO_SCHEME],
  [':authority', PSEUDO_AUTHORITY],
  [':path', PSEUDO_PATH],
  [':protocol', PSEUDO_PROTOCOL],
  [':status', PSEUDO_STATUS],
]);

/** The longest of the special names. */
const SPECIAL_BYTES_MAX = 17;
/** By the length and the first letter of a name: 1: a special one looks like that. */
const looksSpecial = new Uint8Array(32 * 256);
for (const name of SPECIAL_NAMES.keys()) looksSpecial[lookOf(name.length, name.charCodeAt(0))] = 1;

function lookOf(length: number, first: number): number {
  return (length << 8) | first;
}

export function isPseudoField(fieldClass: FieldClass): boolean {
  return fieldClass >= PSEUDO_METHOD;
}

// Hot path (bench/gateway/plain-get): every field that no table has.
/** The class of a name, which stands in `bytes` from `start` to `end`. */
export function classOfName(bytes: Buffer, start: number, end: number): FieldClass {
  const length = end - start;
  if (length === 0) return FIELD_MALFORMED;
  const first = bytes[start] ?? 0;
  let hasUnderscore = false;
  for (let at = first === COLON ? start + 1 : start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    // The table has the byte in lower case: another one than was sent is in upper case.
    if (NAME_BYTES[byte] === byte && byte !== 0) continue;
    if (byte !== UNDERSCORE) return FIELD_MALFORMED;
    hasUnderscore = true;
  }
  const isSpecial = length <= SPECIAL_BYTES_MAX && looksSpecial[lookOf(length, first)] === 1;
  const special = isSpecial ? SPECIAL_NAMES.get(bytes.toString('latin1', start, end)) : undefined;
  if (special !== undefined) return special;
  if (first === COLON) return FIELD_MALFORMED;
  return hasUnderscore ? FIELD_UNDERSCORE : FIELD_ORDINARY;
}

// Hot path (bench/gateway/plain-get): every value that no table has.
/** No control characters, and no blanks at the ends (RFC 9113 8.2.1). */
export function isSoundValue(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (VALUE_BYTES[bytes[at] ?? 0] !== 1) return false;
  }
  return start === end || !(isBlank(bytes[start] ?? 0) || isBlank(bytes[end - 1] ?? 0));
}
