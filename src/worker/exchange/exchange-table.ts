/**
 * The exchanges of a worker, by the acceptor's index and by the ask that they wait for.
 *
 * Thread: worker. Both are plain arrays on purpose. A Map that is added to and deleted from for
 * every request makes itself anew each few dozen requests, and each table that it leaves behind
 * refers to the next one and to what was in it: once one of them is old, none of all those
 * exchanges is collected with the young garbage any more, which made young collections many times
 * slower.
 */
import type { Exchange } from './exchange.js';

/** Exchanges by index. The acceptor gives out small numbers, again and again. */
export class ExchangeTable {
  private readonly entries: (Exchange | null)[] = [];
  private total = 0;

  /** How many there are. */
  get count(): number {
    return this.total;
  }

  /** Takes a place in which nothing is. */
  add(exchange: Exchange): void {
    // Filled up one by one: an array with large holes is a hash table.
    while (this.entries.length <= exchange.index) this.entries.push(null);
    this.entries[exchange.index] = exchange;
    this.total += 1;
  }

  /** Undefined: it has finished, and its place may be another's. */
  find(index: number, generation: number): Exchange | undefined {
    const exchange = this.entries[index] ?? null;
    return exchange !== null && exchange.generation === generation ? exchange : undefined;
  }

  /** Calls `visit` for each; it may remove them. */
  forEach(visit: (exchange: Exchange) => void): void {
    for (const exchange of this.entries) if (exchange !== null) visit(exchange);
  }

  remove(exchange: Exchange): void {
    if (this.entries[exchange.index] !== exchange) return;
    this.entries[exchange.index] = null;
    this.total -= 1;
  }
}

const FIRST_SLOTS = 1024;
const ASK_ID_MASK = 0x7fff_ffff;

/**
 * Exchanges by the number of the ask whose reply they wait for. Numbers are in sequence, so that
 * `number & mask` is nearly always a free slot; a number whose slot is taken is passed over.
 */
export class PendingAsks {
  private slots: (Exchange | null)[] = emptySlots(FIRST_SLOTS);
  private count = 0;
  private lastId = 0;

  /** The next ask's number. */
  nextId(): number {
    do this.lastId = (this.lastId + 1) & ASK_ID_MASK;
    while (this.slots[this.lastId & (this.slots.length - 1)] !== null);
    return this.lastId;
  }

  /** The exchange waits for `exchange.admission.askId`, which nextId() gave last. */
  add(exchange: Exchange): void {
    this.slots[exchange.admission.askId & (this.slots.length - 1)] = exchange;
    this.count += 1;
    if (this.count * 2 > this.slots.length) this.grow();
  }

  /** Who waits for this ask's reply, and does no longer. Undefined: nobody. */
  take(askId: number): Exchange | undefined {
    const slot = askId & (this.slots.length - 1);
    const exchange = this.slots[slot] ?? null;
    if (exchange === null || exchange.admission.askId !== askId) return undefined;
    this.slots[slot] = null;
    this.count -= 1;
    return exchange;
  }

  /** What had slots of its own has so among twice as many. */
  private grow(): void {
    const { slots } = this;
    this.slots = emptySlots(slots.length * 2);
    for (const exchange of slots) {
      if (exchange !== null)
        this.slots[exchange.admission.askId & (this.slots.length - 1)] = exchange;
    }
  }
}

function emptySlots(count: number): (Exchange | null)[] {
  return Array.from({ length: count }, () => null);
}
