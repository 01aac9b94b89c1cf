/**
 * Lists of tokens in the values of fields.
 *
 * Thread: any (pure). RFC 9110 5.6.1: commas, with spaces and tabs around them. String.trim() would
 * also take bytes such as 0xa0, which are part of a token that nobody knows.
 */
import { isBlank } from './characters.js';

/** In lower case; empty ones stay. */
export function tokensOf(value: string): string[] {
  return value.toLowerCase().split(',').map(withoutBlanks);
}

function withoutBlanks(text: string): string {
  return trimmed(text, 0, text.length);
}

/** The characters from `start` to `end` without spaces and tabs at the ends. */
export function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}
