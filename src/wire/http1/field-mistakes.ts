/**
 * What is wrong with a line that is no field, for the log.
 *
 * Thread: any (pure).
 */
import { COLON, CR, isBlank, LF } from './characters.js';

/** `byte`: behind `nameBytes` bytes of a name. */
export function reasonOfName(byte: number, nameBytes: number): string {
  if (isBlank(byte)) {
    return nameBytes === 0 ? 'a folded field' : 'a space before the colon of a field';
  }
  if (byte === COLON) return 'a field without a name';
  if (byte === CR || byte === LF) return 'a line that is no field';
  return 'a character that no name of a field has';
}

/** `byte`: the one that no value has. */
export function reasonOfValue(byte: number): string {
  return byte === LF ? 'an LF without CR' : 'a control character in the value of a field';
}
