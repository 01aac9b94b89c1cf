/**
 * How many connections each address has at other acceptors, where there are several.
 *
 * Thread: any (both ends). Each acceptor writes the counters of its own part only; the main thread
 * clears those of a thread that has ended before it starts another. An acceptor knows its own
 * connections exactly, and takes from here no more than what others have.
 *
 * A part is a count-min sketch (Cormode and Muthukrishnan): every address has one counter in each
 * of ROWS rows, by a hash with a random key, and the least of them is the answer. An address may
 * share counters with others, so the answer is never too low, and too high only where all of its
 * counters are shared: with `a` addresses at the other acceptor and W counters in a row the chance
 * of that is at most (a / W)^ROWS. W is twice the connections that the process may have or more, up
 * to WIDTH_MAX: the chance is below 1 in 16 when each of them comes from another address and all
 * stand at one acceptor, and below 1 in 1,000 with a third of that.
 *
 *     +0    the key of the hash, 8 bytes, and the counters in a row, 4 bytes
 *     +64   a part for each acceptor: ROWS rows of counters, 4 bytes each
 *
 * Invariant: as in acceptor-loads.ts, an acceptor raises its own counters before it reads those of
 * others: two that take the last place of an address at the same moment are both refused.
 */
import { HalfSipHash } from '../../base/half-sip-hash.js';

const ROWS = 4;
const HEAD_WORDS = 16;
const KEY_HIGH = 0;
const KEY_LOW = 1;
const WIDTH = 2;
const WIDTH_MIN = 1024;
const WIDTH_MAX = 2 ** 19;

export type AddressMemory = SharedArrayBuffer;

/**
 * `connections`: how many the process may have. `key`: 64 random bits. Pages that nobody writes to
 * take no memory.
 */
export function allocateAddressCounts(
  acceptors: number,
  connections: number,
  key: readonly [number, number],
): AddressMemory {
  let width = WIDTH_MIN;
  while (width < 2 * connections && width < WIDTH_MAX) width *= 2;
  const memory = new SharedArrayBuffer((HEAD_WORDS + acceptors * ROWS * width) * 4);
  const words = new Int32Array(memory);
  words[KEY_HIGH] = key[0];
  words[KEY_LOW] = key[1];
  words[WIDTH] = width;
  return memory;
}

/** The counters of one acceptor, in sight of all others. */
export class AddressCounts {
  private readonly words: Int32Array;
  private readonly hash: HalfSipHash;
  private readonly width: number;
  private readonly own: number;
  private readonly partWords: number;
  /** Of the address that is looked at: its counter in each row of the first part. */
  private readonly places = new Int32Array(ROWS);

  constructor(memory: AddressMemory, acceptor: number) {
    this.words = new Int32Array(memory);
    this.hash = new HalfSipHash(this.words[KEY_HIGH] ?? 0, this.words[KEY_LOW] ?? 0);
    this.width = this.words[WIDTH] ?? 0;
    this.partWords = ROWS * this.width;
    this.own = acceptor * this.partWords;
  }

  /**
   * Acceptor: it has one connection more of this address. Returns how many the others have; never
   * too few.
   */
  raise(network: string): number {
    this.findPlaces(network);
    for (const place of this.places) Atomics.add(this.words, this.own + place, 1);
    return this.sumOfOthers();
  }

  /** Acceptor: one that it had raised for is closed. */
  lower(network: string): void {
    this.findPlaces(network);
    for (const place of this.places) Atomics.sub(this.words, this.own + place, 1);
  }

  /** How many other acceptors have of this address; never too few. */
  ofOthers(network: string): number {
    this.findPlaces(network);
    return this.sumOfOthers();
  }

  /** Main thread: the thread has ended, and took its connections along. */
  clear(): void {
    const start = HEAD_WORDS + this.own;
    this.words.fill(0, start, start + this.partWords);
  }

  private findPlaces(network: string): void {
    const { hash, places, width } = this;
    hash.hash(network);
    // Two hashes stand for any number of them (Kirsch and Mitzenmacher). An odd step meets every
    // counter of a row.
    const step = hash.low | 1;
    for (let row = 0; row < ROWS; row++) {
      const column = (hash.high + Math.imul(row, step)) & (width - 1);
      places[row] = HEAD_WORDS + row * width + column;
    }
  }

  private sumOfOthers(): number {
    const { words, own, partWords } = this;
    let sum = 0;
    for (let part = 0; HEAD_WORDS + part < words.length; part += partWords) {
      if (part !== own) sum += this.leastOf(part);
    }
    return sum;
  }

  private leastOf(part: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const place of this.places)
      least = Math.min(least, Atomics.load(this.words, part + place));
    return least;
  }
}
