/**
 * Writes texts in the Huffman code of HPACK.
 *
 * Thread: any (pure). RFC 7541 5.2. Texts are latin-1: a character is a byte.
 */
import { HUFFMAN_BITS, HUFFMAN_CODES } from './huffman-code.js';

/** Fewer bits than this and a byte that is begun fit into 31 bits. */
const WIDE_BITS = 24;

/** Bytes of a text in Huffman code. */
export function huffmanBytesOf(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at++) bits += HUFFMAN_BITS[text.charCodeAt(at) & 0xff] ?? 0;
  return (bits + 7) >>> 3;
}

// Hot path (bench/gateway/plain-get): values of replies that are in no table.
/** Writes the text; returns where it ends. It needs huffmanBytesOf(text). */
export function encodeHuffman(text: string, out: Uint8Array, at: number): number {
  let to = at;
  let pending = 0;
  let pendingBits = 0;
  for (let from = 0; from < text.length; from++) {
    const symbol = text.charCodeAt(from) & 0xff;
    let code = HUFFMAN_CODES[symbol] ?? 0;
    let bits = HUFFMAN_BITS[symbol] ?? 0;
    if (bits > WIDE_BITS) {
      const rest = bits - 8;
      pending = (pending << 8) | (code >>> rest);
      out[to++] = pending >>> pendingBits;
      pending &= (1 << pendingBits) - 1;
      code &= (1 << rest) - 1;
      bits = rest;
    }
    pending = (pending << bits) | code;
    pendingBits += bits;
    while (pendingBits >= 8) {
      pendingBits -= 8;
      out[to++] = pending >>> pendingBits;
    }
    pending &= (1 << pendingBits) - 1;
  }
  // What is left of the last byte is filled with the beginning of EOS, which is ones.
  if (pendingBits > 0) out[to++] = (pending << (8 - pendingBits)) | (0xff >>> pendingBits);
  return to;
}
