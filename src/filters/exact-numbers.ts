/**
 * Keeps numbers as they are written while a document is changed: a double holds 15 digits for
 * sure, and identifiers of 64 bits have up to 20.
 *
 * Thread: worker. The texts hold a random mark, which no body can have foreseen.
 */
import { randomUUID } from 'node:crypto';
import { endOfString } from './json-scan.js';

/** Of a number whose value a double holds, unless it has an exponent. */
const SAFE_CHARS = 15;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const QUOTE = 34;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

/** How texts that stand for numbers become numbers again. */
export interface NumberMarks {
  /** JSON with the numbers in it, at whatever place they are by now. */
  restore(json: string): string;
  /** The digits, where the text stands for a number; else the text itself. */
  plain(text: string): string;
}

/** Of a document in which no text stands for a number. */
export const NO_MARKS: NumberMarks = { restore: (json) => json, plain: (text) => text };

export interface MarkedJson extends NumberMarks {
  /** The document with texts in place of such numbers. */
  readonly text: string;
}

/** `text` is valid JSON. Null: it has no number that would change. */
export function markNumbers(text: string): MarkedJson | null {
  let mark = '';
  let marked = '';
  let copiedTo = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    if (code !== MINUS && (code < ZERO || code > NINE)) continue;
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(text)?.[0] ?? '';
    if (number.length > SAFE_CHARS || /[eE]/.test(number)) {
      mark ||= randomUUID();
      marked += `${text.slice(copiedTo, at)}"${mark}${number}"`;
      copiedTo = at + number.length;
    }
    at += number.length - 1;
  }
  if (mark === '') return null;
  const places = new RegExp(`"${mark}([^"]*)"`, 'g');
  const restore = (changed: string): string => changed.replaceAll(places, '$1');
  const plain = (one: string): string => (one.startsWith(mark) ? one.slice(mark.length) : one);
  return { text: marked + text.slice(copiedTo), restore, plain };
}
