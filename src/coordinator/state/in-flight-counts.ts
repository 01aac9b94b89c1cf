/**
 * How many requests of each key are in flight.
 *
 * Thread: coordinator. Not shared: a new coordinator counts the tickets again. A key has a row only
 * while it has requests in flight, so a table as large as that of the tickets never fills up.
 *
 *     word  row (open addressing; a gap ends a search)
 *     0     limiter index + 1; 0: free
 *     1, 2  key hash, high and low
 *     3     requests in flight
 */
import { assert } from '../../base/assert.js';

const ROW_WORDS = 4;
const ROW_SHIFT = 2;

/** The high and the low word of a key hash. */
export type KeyHash = readonly [high: number, low: number];

export class InFlightCounts {
  private readonly rows: Int32Array;
  private readonly mask: number;

  constructor(
    keysMax: number,
    private readonly onCount: (limiterIndex: number, keys: number) => void,
  ) {
    let rowCount = 16;
    while (rowCount < keysMax * 1.5) rowCount *= 2;
    this.rows = new Int32Array(rowCount * ROW_WORDS);
    this.mask = rowCount - 1;
  }

  countOf(limiterIndex: number, high: number, low: number): number {
    const at = this.find(limiterIndex, high, low);
    return this.rows[at] === 0 ? 0 : (this.rows[at + 3] as number);
  }

  add(limiterIndex: number, [high, low]: KeyHash, amount: number): void {
    const { rows } = this;
    const at = this.find(limiterIndex, high, low);
    if (rows[at] === 0) {
      rows[at] = limiterIndex + 1;
      rows[at + 1] = high;
      rows[at + 2] = low;
      rows[at + 3] = 0;
      this.onCount(limiterIndex, 1);
    }
    const count = (rows[at + 3] as number) + amount;
    assert(count >= 0, 'no more requests end than have begun');
    rows[at + 3] = count;
    if (count > 0) return;
    this.remove(at >> ROW_SHIFT);
    this.onCount(limiterIndex, -1);
  }

  /** The key's row, or the free row that ends the search. */
  private find(limiterIndex: number, high: number, low: number): number {
    const { rows } = this;
    let row = this.homeOf(limiterIndex, high, low);
    for (;;) {
      const at = row << ROW_SHIFT;
      if (rows[at] === 0) return at;
      const isKey = rows[at + 1] === high && rows[at + 2] === low;
      if (isKey && rows[at] === limiterIndex + 1) return at;
      row = (row + 1) & this.mask;
    }
  }

  /** Removes a row, and moves back rows that the gap would make unreachable. */
  private remove(removed: number): void {
    const { rows, mask } = this;
    let gap = removed;
    for (let row = (gap + 1) & mask; rows[row << ROW_SHIFT] !== 0; row = (row + 1) & mask) {
      const at = row << ROW_SHIFT;
      const [limiter, high, low] = [rows[at], rows[at + 1], rows[at + 2]];
      const home = this.homeOf((limiter as number) - 1, high as number, low as number);
      if (((row - home) & mask) < ((row - gap) & mask)) continue;
      rows.copyWithin(gap << ROW_SHIFT, at, at + ROW_WORDS);
      gap = row;
    }
    rows[gap << ROW_SHIFT] = 0;
  }

  private homeOf(limiterIndex: number, high: number, low: number): number {
    const bits = Math.imul(high ^ Math.imul(low ^ limiterIndex, 0x2c1b3c6d), 0x297a2d39);
    return (bits ^ (bits >>> 15)) & this.mask;
  }
}
