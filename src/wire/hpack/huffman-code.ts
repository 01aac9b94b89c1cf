/**
 * The Huffman code of HPACK.
 *
 * Thread: any (pure). RFC 7541 appendix B. The code is canonical: codes of one length count up in
 * the order of their symbols, so the lengths say all of it.
 */

/** The symbol that ends a text; it must never be sent. */
export const HUFFMAN_EOS = 256;

/** Bits of the code of each symbol, sixteen symbols a line; EOS is the last. */
export const HUFFMAN_BITS = Uint8Array.of(
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
);

const BITS_MAX = 30;

/** The code of each symbol, in its lowest bits. */
export const HUFFMAN_CODES: Uint32Array = codesOf(HUFFMAN_BITS);

function codesOf(bitsOf: Uint8Array): Uint32Array {
  const codes = new Uint32Array(bitsOf.length);
  let next = 0;
  for (let bits = 1; bits <= BITS_MAX; bits++) {
    next *= 2;
    for (let symbol = 0; symbol < bitsOf.length; symbol++) {
      if (bitsOf[symbol] === bits) codes[symbol] = next++;
    }
  }
  return codes;
}
