/**
 * The value of Content-Length.
 *
 * Thread: any (pure). RFC 9110 8.6: one number, no list and no sign.
 */

/** A longer number could not be counted exactly. */
const LENGTH_DIGITS_MAX = 15;

/** 1*DIGIT, as a number; -1: not that, or more than can be counted exactly. */
export function readLength(value: string): number {
  if (value.length === 0 || value.length > LENGTH_DIGITS_MAX) return -1;
  let bytes = 0;
  for (let at = 0; at < value.length; at++) {
    const digit = value.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    bytes = bytes * 10 + digit;
  }
  return bytes;
}
