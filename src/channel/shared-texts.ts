/**
 * Texts that all threads read from one memory.
 *
 * Thread: any (both ends). Written once, by `shareTexts`, before another thread gets it.
 *
 *     offsets   where each text begins in the bytes; one more says where the last one ends
 *     bytes     the texts in UTF-8, one behind the other
 */
import { defined } from '../base/assert.js';

export interface SharedTexts {
  /** One more than there are texts. */
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

/** A list of texts in memory that can be posted to another thread without a copy. */
export function shareTexts(texts: readonly string[]): SharedTexts {
  const encoder = new TextEncoder();
  const parts = texts.map((text) => encoder.encode(text));
  const offsets = shareWords(texts.length + 1);
  let end = 0;
  for (const [at, part] of parts.entries()) {
    offsets[at] = end;
    end += part.length;
  }
  offsets[texts.length] = end;
  const bytes = new Uint8Array(new SharedArrayBuffer(end));
  for (const [at, part] of parts.entries()) bytes.set(part, offsets[at]);
  return { offsets, bytes };
}

/** The text at this place. */
export function readText({ offsets, bytes }: SharedTexts, place: number): string {
  const from = defined(offsets[place], 'the text');
  const to = defined(offsets[place + 1], 'the end of the text');
  // A decoder does not read shared memory; a Buffer does.
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('utf8');
}

export function textCount({ offsets }: SharedTexts): number {
  return offsets.length - 1;
}

/** Words for other threads to read, all 0. */
export function shareWords(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}

/** A copy that other threads can read. */
export function shareCopyOfWords(words: ArrayLike<number>): Int32Array {
  const shared = shareWords(words.length);
  shared.set(words);
  return shared;
}

/** A copy that other threads can read. */
export function shareCopyOfBytes(source: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(source.length));
  shared.set(source);
  return shared;
}
