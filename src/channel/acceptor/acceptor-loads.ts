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
 * Who leaves a shared socket to others says to whom: to the one that serves and has the fewest
 * connections, which is called when it had left itself. That one never leaves by its own count, so
 * somebody always takes part; a count that has changed meanwhile is found at the next look.
 *
 *     a part for each acceptor, in whole cache lines
 *     +0    beats: turns of the acceptor's clock, wrapping
 *     +4    connections that are open
 *     +8    requests in flight
 *     +12   KiB of replies that wait for clients to take them
 *     +16   how fit it is for connections: FITNESS
 *     +20   1: it leaves what waits at shared sockets to the others
 *     +24   connections that it has taken from shared sockets, wrapping
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
const FIT = 4;
const LEAVES = 5;
const TAKEN = 6;
const KIB = 1024;

/**
 * How fit an acceptor is for more connections: it does not listen; its workers are all away, or
 * have long queues; it serves.
 */
export const FITNESS = { closed: 0, strained: 1, serving: 2 } as const;
export type Fitness = (typeof FITNESS)[keyof typeof FITNESS];

/**
 * How many connections more than another one an acceptor may have while it takes more from a
 * socket that both share: this many, or this part of what the other one has.
 */
const EXCESS_MIN = 4;
const EXCESS_PART = 1 / 8;

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

  /** Acceptor: whether it should get connections. */
  setFitness(fitness: Fitness): void {
    Atomics.store(this.words, this.own + FIT, fitness);
  }

  /** Some other acceptor serves. */
  get othersServe(): boolean {
    const { words, own } = this;
    for (let part = 0; part < words.length; part += PART_WORDS) {
      if (part !== own && Atomics.load(words, part + FIT) === FITNESS.serving) return true;
    }
    return false;
  }

  /** Acceptor: it has taken a connection from a shared socket. */
  onTaken(): void {
    Atomics.add(this.words, this.own + TAKEN, 1);
  }

  /** What all others have taken from shared sockets, wrapping. */
  get takenByOthers(): number {
    return (this.sum(TAKEN) - Atomics.load(this.words, this.own + TAKEN)) | 0;
  }

  /** It serves by itself, and does not leave only because others have fewer connections. */
  get isServing(): boolean {
    return Atomics.load(this.words, this.own + FIT) === FITNESS.serving;
  }

  /**
   * Acceptor: leaves what waits at shared sockets to others, where one of them serves and has
   * clearly less, or this one cannot serve. Whoever gets it in its place takes part from now on.
   * False: there is none, and this acceptor takes part.
   */
  tryLeave(): boolean {
    const { words, own } = this;
    const better = this.betterPart();
    if (better === -1) {
      this.takePart();
      return false;
    }
    Atomics.store(words, own + LEAVES, 1);
    if (Atomics.exchange(words, better + LEAVES, 0) === 1) Atomics.notify(words, better + LEAVES);
    return true;
  }

  /** Acceptor: takes from shared sockets as the others do. */
  takePart(): void {
    Atomics.store(this.words, this.own + LEAVES, 0);
    Atomics.notify(this.words, this.own + LEAVES);
  }

  /** Acceptor that leaves: calls `step` once when it takes part, or is to take part. */
  whenCalled(step: () => void): void {
    const { value } = Atomics.waitAsync(this.words, this.own + LEAVES, 1);
    void Promise.resolve(value).then(step);
  }

  /** Of those that serve, the one with the fewest connections; -1: none is better than this one. */
  private betterPart(): number {
    const { words, own, isServing } = this;
    let best = -1;
    let least = isServing ? Atomics.load(words, own + OPEN) : Number.POSITIVE_INFINITY;
    for (let part = 0; part < words.length; part += PART_WORDS) {
      if (part === own || Atomics.load(words, part + FIT) !== FITNESS.serving) continue;
      const open = Atomics.load(words, part + OPEN);
      if (open >= least) continue;
      best = part;
      least = open;
    }
    if (!isServing || best === -1) return best;
    const excess = Atomics.load(words, own + OPEN) - least;
    return excess >= Math.max(EXCESS_MIN, least * EXCESS_PART) ? best : -1;
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
