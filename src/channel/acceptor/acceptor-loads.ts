/**
 * What acceptors in threads of their own have open and in flight, and that they are alive.
 *
 * Thread: any (both ends). Each acceptor writes the words of its own part only; the main thread
 * reads them, and clears those of a thread that has ended before it starts another. Caps of the
 * whole process go by the sums over all parts.
 *
 * Invariant: what has been admitted never exceeds a cap. An acceptor raises its own word first,
 * then reads the sum, and takes the raise back where the sum is above the cap. Of all that hold a
 * place at some moment, one was raised last: the sum that was read for it had all others in it.
 * Acceptors that raise for the last place at the same moment may all be refused.
 *
 *     a part for each acceptor, in whole cache lines
 *     +0    beats: turns of the acceptor's clock, wrapping
 *     +4    connections that are open
 *     +8    requests in flight
 *     +12   KiB of replies that wait for clients to take them
 *     +128  connections that are open at each listener, by its row
 */

/** A listener's row is one byte in the record of a request. */
const LISTENERS = 256;
const HEAD_WORDS = 32;
const PART_WORDS = HEAD_WORDS + LISTENERS;
const BEATS = 0;
const OPEN = 1;
const IN_FLIGHT = 2;
const UNSENT = 3;
const KIB = 1024;

export type LoadsMemory = SharedArrayBuffer;

export function allocateLoads(acceptors: number): LoadsMemory {
  return new SharedArrayBuffer(acceptors * PART_WORDS * 4);
}

/** The part of one acceptor, in sight of all others. */
export class AcceptorLoads {
  private readonly words: Int32Array;
  private readonly own: number;

  constructor(memory: LoadsMemory, acceptor: number) {
    this.words = new Int32Array(memory);
    this.own = acceptor * PART_WORDS;
  }

  /** Acceptor: its event loop still turns. */
  beat(): void {
    Atomics.add(this.words, this.own + BEATS, 1);
  }

  beats(): number {
    return Atomics.load(this.words, this.own + BEATS);
  }

  /** Connections of this acceptor. */
  get open(): number {
    return Atomics.load(this.words, this.own + OPEN);
  }

  /** Acceptor: it has this many connections. Returns how many all acceptors have. */
  setOpen(count: number): number {
    Atomics.store(this.words, this.own + OPEN, count);
    return this.sum(OPEN);
  }

  /**
   * Acceptor: the listener with this row has this many connections here. Returns how many it has at
   * all acceptors.
   */
  setOpenAt(row: number, count: number): number {
    Atomics.store(this.words, this.own + HEAD_WORDS + row, count);
    return this.sum(HEAD_WORDS + row);
  }

  /** Acceptor: no other listeners than those with these rows are in force. */
  keepListeners(rows: ReadonlySet<number>): void {
    for (let row = 0; row < LISTENERS; row++) {
      if (!rows.has(row)) Atomics.store(this.words, this.own + HEAD_WORDS + row, 0);
    }
  }

  /** Requests of this acceptor. */
  get inFlight(): number {
    return Atomics.load(this.words, this.own + IN_FLIGHT);
  }

  /** Acceptor: it has this many requests in flight. */
  setInFlight(count: number): void {
    Atomics.store(this.words, this.own + IN_FLIGHT, count);
  }

  /** Requests of all acceptors; those of others may be a moment old. */
  get allInFlight(): number {
    return this.sum(IN_FLIGHT);
  }

  /** Acceptor: this many bytes wait for its clients. Returns how many wait at all acceptors. */
  setUnsent(bytes: number): number {
    Atomics.store(this.words, this.own + UNSENT, Math.ceil(bytes / KIB));
    return this.sum(UNSENT) * KIB;
  }

  /** Main thread: the thread has ended, and took all that along. */
  clear(): void {
    this.words.fill(0, this.own, this.own + PART_WORDS);
  }

  private sum(word: number): number {
    const { words } = this;
    let total = 0;
    for (let at = word; at < words.length; at += PART_WORDS) total += Atomics.load(words, at);
    return total;
  }
}
