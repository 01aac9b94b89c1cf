/**
 * Who holds a place under a limit on requests in flight, or a reserve under one of costs that
 * replies tell.
 *
 * Thread: coordinator. Owns the entries in shared memory, which outlive the coordinator, and the
 * number of places taken for each key, which a new coordinator counts from the entries.
 *
 *     word  entry
 *     0     ticket; 0: the entry is free
 *     1     the last serial of the entry
 *     2     lane
 *     3     its generation
 *     4     ask id
 *     5     number of keys (1..4)
 *     6     for each key: limiter index, key hash high, key hash low
 *     18, 19 (free)
 *
 * A ticket is serial << 20 | index. The ticket is written last and cleared first, so an entry is
 * either whole or free, wherever the thread ends.
 */
import { assert } from '../../base/assert.js';
import { InFlightCounts } from './in-flight-counts.js';

export const TICKET_NONE = 0;

const ENTRY_WORDS = 20;
const SERIAL_WORD = 1;
const LANE_WORD = 2;
const GENERATION_WORD = 3;
const ASK_WORD = 4;
const KEYS_WORD = 5;
const FIRST_KEY_WORD = 6;
const KEY_WORDS = 3;
const INDEX_BITS = 20;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const SERIAL_MASK = 0x7ff;

/** Spare entries for requests that have ended and still hold a place for a moment. */
const SPARE_ENTRIES_MIN = 64;

export function inFlightTicketsBytes(inFlightMax: number): number {
  const spare = Math.max(SPARE_ENTRIES_MIN, Math.floor(inFlightMax / 2));
  return Math.min(inFlightMax + spare, INDEX_MASK) * ENTRY_WORDS * 4;
}

/** Limiter index, and the key's hash. */
export type TicketKey = readonly [limiterIndex: number, high: number, low: number];

/** The ask that holds a place. */
export interface PlaceHolder {
  readonly lane: number;
  readonly generation: number;
  readonly askId: number;
}

export class InFlightTickets {
  readonly counts: InFlightCounts;
  private readonly words: Int32Array;
  private readonly free: Int32Array;
  private freeCount = 0;
  /** Entries that the previous coordinator left, by asks that may be seen again. */
  private readonly found = new Map<string, number>();

  /** `keysMax`: the most keys that one entry has under this configuration. */
  constructor(
    buffer: ArrayBufferLike,
    keysMax: number,
    onCount: (limiterIndex: number, keys: number) => void = () => undefined,
  ) {
    this.words = new Int32Array(buffer);
    const entries = Math.floor(this.words.length / ENTRY_WORDS);
    this.free = new Int32Array(entries);
    this.counts = new InFlightCounts(entries * keysMax, onCount);
    for (let index = entries - 1; index >= 0; index -= 1) {
      const base = index * ENTRY_WORDS;
      if (this.words[base] === TICKET_NONE) this.free[this.freeCount++] = index;
      else this.findAgain(base);
    }
  }

  get isFull(): boolean {
    return this.freeCount === 0;
  }

  /** Begins an entry; its keys follow, then {@link seal}. */
  open(holder: PlaceHolder): number {
    assert(this.freeCount > 0, 'a full table is asked first');
    const index = this.free[--this.freeCount] as number;
    const base = index * ENTRY_WORDS;
    this.words[base + LANE_WORD] = holder.lane;
    this.words[base + GENERATION_WORD] = holder.generation;
    this.words[base + ASK_WORD] = holder.askId;
    this.words[base + KEYS_WORD] = 0;
    return base;
  }

  addKey(base: number, limiterIndex: number, high: number, low: number): void {
    const keys = this.words[base + KEYS_WORD] as number;
    const at = base + FIRST_KEY_WORD + keys * KEY_WORDS;
    this.words[at] = limiterIndex;
    this.words[at + 1] = high;
    this.words[at + 2] = low;
    this.words[base + KEYS_WORD] = keys + 1;
  }

  /** Makes the entry count, and returns its ticket. */
  seal(base: number): number {
    const serial = Math.max(1, ((this.words[base + SERIAL_WORD] as number) + 1) & SERIAL_MASK);
    const ticket = (serial << INDEX_BITS) | (base / ENTRY_WORDS);
    this.words[base + SERIAL_WORD] = serial;
    this.words[base] = ticket;
    this.count(base, 1);
    return ticket;
  }

  /** Gives a place back; false: it was given back before. */
  settle(ticket: number): boolean {
    const base = (ticket & INDEX_MASK) * ENTRY_WORDS;
    if (ticket === TICKET_NONE || this.words[base] !== ticket) return false;
    this.release(base);
    return true;
  }

  /** Whether the ticket's entry has not been given back. */
  isOpen(ticket: number): boolean {
    return ticket !== TICKET_NONE && this.words[(ticket & INDEX_MASK) * ENTRY_WORDS] === ticket;
  }

  /** The keys of an open ticket. */
  keysOf(ticket: number): TicketKey[] {
    const base = (ticket & INDEX_MASK) * ENTRY_WORDS;
    const keys: TicketKey[] = [];
    for (let key = 0; key < (this.words[base + KEYS_WORD] as number); key += 1) {
      const at = base + FIRST_KEY_WORD + key * KEY_WORDS;
      const [limiter, high, low] = [this.words[at], this.words[at + 1], this.words[at + 2]];
      keys.push([limiter as number, high as number, low as number]);
    }
    return keys;
  }

  /**
   * Ends all tickets of a worker that has ended, each by a call of `end`, and returns their number.
   */
  endAllOf(lane: number, generation: number, end: (ticket: number) => void): number {
    let count = 0;
    for (let base = 0; base + ENTRY_WORDS <= this.words.length; base += ENTRY_WORDS) {
      if (this.words[base] === TICKET_NONE || this.words[base + LANE_WORD] !== lane) continue;
      if ((((this.words[base + GENERATION_WORD] as number) - generation) | 0) > 0) continue;
      end(this.words[base] as number);
      count += 1;
    }
    return count;
  }

  /**
   * The ticket, to be given back, of an ask that is seen again because its reply was never
   * published; TICKET_NONE: it has none.
   */
  takeOfAsk(holder: PlaceHolder): number {
    if (this.found.size === 0) return TICKET_NONE;
    const name = nameOf(holder.lane, holder.generation, holder.askId);
    const ticket = this.found.get(name) ?? TICKET_NONE;
    this.found.delete(name);
    return ticket;
  }

  private findAgain(base: number): void {
    this.count(base, 1);
    const [lane, generation, askId] = [LANE_WORD, GENERATION_WORD, ASK_WORD].map(
      (word) => this.words[base + word] as number,
    );
    this.found.set(nameOf(lane ?? 0, generation ?? 0, askId ?? 0), this.words[base] as number);
  }

  private release(base: number): void {
    this.words[base] = TICKET_NONE;
    this.count(base, -1);
    this.free[this.freeCount++] = base / ENTRY_WORDS;
  }

  private count(base: number, amount: number): void {
    const keys = this.words[base + KEYS_WORD] as number;
    for (let key = 0; key < keys; key += 1) {
      const at = base + FIRST_KEY_WORD + key * KEY_WORDS;
      const [limiter, high, low] = [this.words[at], this.words[at + 1], this.words[at + 2]];
      this.counts.add(limiter as number, [high as number, low as number], amount);
    }
  }
}

function nameOf(lane: number, generation: number, askId: number): string {
  return `${lane} ${generation} ${askId}`;
}
