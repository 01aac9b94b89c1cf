/**
 * Writes the numbers and the texts of HPACK.
 *
 * Thread: any (pure). RFC 7541 5.
 */
import { encodeHuffman, huffmanBytesOf } from './huffman-encoder.js';

const HUFFMAN = 0x80;
const LENGTH_MASK = 0x7f;

/** RFC 7541 5.1. `form`: the bits before the number, and above them the mask of its own bits. */
export function writeNumber(out: Uint8Array, at: number, form: number, value: number): number {
  const mask = form >>> 8;
  const prefix = form & 0xff;
  if (value < mask) {
    out[at] = prefix | value;
    return at + 1;
  }
  out[at] = prefix | mask;
  let next = at + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[next++] = (rest & 0x7f) | 0x80;
  out[next] = rest;
  return next + 1;
}

/** In Huffman code where that is shorter. */
export function writeText(out: Uint8Array, at: number, text: string): number {
  const bytes = huffmanBytesOf(text);
  if (bytes < text.length) {
    return encodeHuffman(text, out, writeNumber(out, at, HUFFMAN | (LENGTH_MASK << 8), bytes));
  }
  const start = writeNumber(out, at, LENGTH_MASK << 8, text.length);
  for (let from = 0; from < text.length; from++) out[start + from] = text.charCodeAt(from);
  return start + text.length;
}
