/**
 * Reads texts in the Huffman code of HPACK, a byte at a time.
 *
 * Thread: any (pure). The inner nodes of the code's tree are the states of a machine whose input
 * are bytes. A byte ends one symbol or two at most, or none, because no code has fewer than five
 * bits. The table has a row of 256 steps for each state; few rows are used often.
 *
 *     bits of a step:  0-7 next state · 8-15 first symbol · 16-23 second · 24-25 symbols · 26 bad
 */
import { assert } from '../../base/assert.js';
import { HUFFMAN_BITS, HUFFMAN_CODES, HUFFMAN_EOS } from './huffman-code.js';

const STATES = 256;
const COUNT_SHIFT = 24;
const FIRST_SHIFT = 8;
const SECOND_SHIFT = 16;
const BAD = 1 << 26;
/** RFC 7541 5.2: more bits of padding than these are a mistake. */
const PADDING_BITS_MAX = 7;

/** Two places for each inner node: where a bit leads. An inner node, or -1 - the symbol. */
const children = new Int16Array(2 * STATES);
/** 1: a text may end in this state: what is left over is the beginning of EOS, and short. */
const mayEnd = new Uint8Array(STATES);
const steps = buildSteps();

function buildTree(): void {
  let nodes = 1;
  for (let symbol = 0; symbol <= HUFFMAN_EOS; symbol++) {
    const code = HUFFMAN_CODES[symbol] ?? 0;
    let node = 0;
    for (let bit = (HUFFMAN_BITS[symbol] ?? 0) - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >>> bit) & 1);
      if (children[at] === 0) children[at] = nodes++;
      node = children[at] ?? 0;
    }
    children[2 * node + (code & 1)] = -1 - symbol;
  }
  assert(nodes === STATES, 'the code has as many inner nodes as a byte has values');
  for (let node = 0, bits = 0; bits <= PADDING_BITS_MAX; bits++) {
    mayEnd[node] = 1;
    node = children[2 * node + 1] ?? 0;
  }
}

function buildSteps(): Int32Array {
  buildTree();
  const table = new Int32Array(STATES * 256);
  for (let state = 0; state < STATES; state++) {
    for (let byte = 0; byte < 256; byte++) table[state * 256 + byte] = stepOf(state, byte);
  }
  return table;
}

function stepOf(state: number, byte: number): number {
  let node = state;
  let count = 0;
  let symbols = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const child = children[2 * node + ((byte >>> bit) & 1)] ?? 0;
    node = child < 0 ? 0 : child;
    if (child >= 0) continue;
    const symbol = -1 - child;
    if (symbol === HUFFMAN_EOS) return BAD;
    symbols |= symbol << (FIRST_SHIFT + 8 * count++);
  }
  return node | symbols | (count << COUNT_SHIFT);
}

/** What `bytes` of code may become at most: no symbol has fewer than five bits. */
export function huffmanTextBytesMax(bytes: number): number {
  return Math.floor((bytes * 8) / 5);
}

// Hot path (bench/gateway/plain-get): most names and values of most requests.
/**
 * Decodes `code` from `start` to `end` into `out` from its byte `at` on, which must have room for
 * huffmanTextBytesMax() and one byte more. Returns where the text ends; -1: it is malformed
 * (RFC 7541 5.2).
 */
export function decodeHuffman(
  code: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  out: Uint8Array,
  at: number,
): number {
  let state = 0;
  let to = at;
  for (let from = start; from < end; from++) {
    const step = steps[(state << 8) | (code[from] ?? 0)] ?? BAD;
    if (step >= BAD) return -1;
    const count = step >>> COUNT_SHIFT;
    // Both are written, and the next one writes over what was too much: no branch.
    out[to] = step >>> FIRST_SHIFT;
    out[to + 1] = step >>> SECOND_SHIFT;
    to += count;
    state = step & 0xff;
  }
  return mayEnd[state] === 1 ? to : -1;
}
