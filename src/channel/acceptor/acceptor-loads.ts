/**
 * What acceptors in threads of their own have open and in flight, and that they are alive.
 *
 * Thread: any (both ends). Each acceptor writes the words of its own cache line only; the main
 * thread reads them, and clears those of a thread that has ended before it starts another. Caps of
 * the whole process go by the sums. That of connections is checked after the own word was raised:
 * two acceptors that take the last place at once both refuse it.
 *
 *     a line of 128 bytes for each acceptor
 *     +0    beats: turns of the acceptor's clock, wrapping
 *     +4    connections that are open
 *     +8    requests in flight
 */

const LINE_WORDS = 32;
const BEATS = 0;
const OPEN = 1;
const IN_FLIGHT = 2;

export type LoadsMemory = SharedArrayBuffer;

export function allocateLoads(acceptors: number): LoadsMemory {
  return new SharedArrayBuffer(acceptors * LINE_WORDS * 4);
}

/** The line of one acceptor, in sight of all others. */
export class AcceptorLoads {
  private readonly words: Int32Array;
  private readonly own: number;

  constructor(memory: LoadsMemory, acceptor: number) {
    this.words = new Int32Array(memory);
    this.own = acceptor * LINE_WORDS;
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

  /** Main thread: the thread has ended, and took all that along. */
  clear(): void {
    this.words.fill(0, this.own, this.own + LINE_WORDS);
  }

  private sum(word: number): number {
    const { words } = this;
    let total = 0;
    for (let at = word; at < words.length; at += LINE_WORDS) total += Atomics.load(words, at);
    return total;
  }
}
