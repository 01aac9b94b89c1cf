/**
 * Finds the row of a limiter key, or the row that a new key may take.
 *
 * Thread: coordinator. Owns one limiter table in shared memory; see bucket-layout.ts.
 *
 * A key may lie in two sets of 16 rows, so a look-up reads two cache lines of tags and, for a
 * hit, one row. A new key takes a free row of the emptier set. Without a free row it takes the
 * row that is closest to a full limit, but never one whose next ask would be refused: or else
 * clients could get rid of their limit by asking under many names.
 * Nothing is changed until {@link BucketTable.install}.
 */
import { assert } from '../../base/assert.js';
import {
  ROW_ENTRIES_WORD,
  ROW_HIGH_WORD,
  ROW_LIMITER_WORD,
  ROW_LOW_WORD,
  SET_ROWS,
} from './bucket-layout.js';
import type { RowViews } from './bucket-rows.js';

export const NO_ROW = -1;

/** Says how much of its limit a row has used. */
export interface RowGauge {
  /** 0: at rest. 1: the next ask would be refused, and {@link retryAfterMs} says for how long. */
  measureUsedShare(rowBase: number, limiterIndex: number, nowMs: number): number;
  readonly retryAfterMs: number;
}

const USED_UP = 1;
const AT_REST = 0;

export class BucketTable {
  readonly views: RowViews;
  readonly rowCount: number;
  /** Of the last {@link locate}: the row belongs to another key, or to nobody, as yet. */
  isNew = false;
  /** Of the last {@link locate}: the share that the victim has used; -1: the row is free. */
  victimShare = -1;
  /** Of the last {@link locate} that found no row: until the first of them may be taken. */
  retryAfterMs = 0;
  private readonly tags: Int32Array;
  private readonly setMask: number;
  private high = 0;
  private low = 0;
  private limiterIndex = 0;
  private tag = 0;
  private freeRow = NO_ROW;
  private freeCount = 0;

  constructor(
    buffer: ArrayBufferLike,
    private readonly rowWords: number,
  ) {
    this.rowCount = buffer.byteLength / 4 / (1 + rowWords);
    const setCount = this.rowCount / SET_ROWS;
    assert(Number.isInteger(setCount), 'the table has whole sets');
    assert((setCount & (setCount - 1)) === 0, 'the table has a power of two of sets');
    this.setMask = setCount - 1;
    this.tags = new Int32Array(buffer, 0, this.rowCount);
    this.views = { words: new Int32Array(buffer), floats: new Float64Array(buffer) };
  }

  /** Index of the row's first word in {@link views}. */
  baseOf(row: number): number {
    return this.rowCount + row * this.rowWords;
  }

  /** The names of the key for the {@link locate} that follows. */
  setKey(limiterIndex: number, high: number, low: number): void {
    this.limiterIndex = limiterIndex;
    this.high = high | 0;
    this.low = low | 0;
    const tag = mix(high ^ Math.imul(low, 0x2c1b3c6d) ^ limiterIndex);
    this.tag = tag === 0 ? 1 : tag;
  }

  /** The key's row, or the one it may take, or {@link NO_ROW}. */
  locate(gauge: RowGauge, nowMs: number): number {
    assert(this.rowCount > 0, 'a limiter has a table');
    const first = this.setOf(this.low, 0x297a2d39);
    const found = this.findIn(first);
    if (found !== NO_ROW) return this.say(found, false, -1);
    const [freeInFirst, freeRow] = [this.freeCount, this.freeRow];
    const second = this.setOf(this.high, 0x68e31da4);
    const foundNext = this.findIn(second);
    if (foundNext !== NO_ROW) return this.say(foundNext, false, -1);
    if (freeInFirst >= this.freeCount && freeInFirst > 0) return this.say(freeRow, true, -1);
    if (this.freeCount > 0) return this.say(this.freeRow, true, -1);
    return this.findVictim(first, second, gauge, nowMs);
  }

  /** The key takes the row that {@link locate} has just named. The log is empty after this. */
  install(row: number): void {
    const base = this.baseOf(row);
    // A row is nobody's while its key is half written, should the thread end here.
    this.tags[row] = 0;
    const words = this.views.words;
    words[base + ROW_HIGH_WORD] = this.high;
    words[base + ROW_LOW_WORD] = this.low;
    words[base + ROW_LIMITER_WORD] = this.limiterIndex;
    words[base + ROW_ENTRIES_WORD] = 0;
    this.tags[row] = this.tag;
  }

  /** Rows in use; reads all tags. */
  countUsedRows(): number {
    let used = 0;
    for (const tag of this.tags) if (tag !== 0) used += 1;
    return used;
  }

  private setOf(hash: number, salt: number): number {
    return (mix(hash ^ Math.imul(this.limiterIndex + 1, salt)) & this.setMask) * SET_ROWS;
  }

  private findIn(setRow: number): number {
    this.freeCount = 0;
    this.freeRow = NO_ROW;
    for (let row = setRow; row < setRow + SET_ROWS; row += 1) {
      const tag = this.tags[row] as number;
      if (tag === this.tag && this.isKeyOf(row)) return row;
      if (tag === 0) {
        this.freeCount += 1;
        this.freeRow = row;
      }
    }
    return NO_ROW;
  }

  private isKeyOf(row: number): boolean {
    const base = this.baseOf(row);
    const words = this.views.words;
    return (
      words[base + ROW_HIGH_WORD] === this.high &&
      words[base + ROW_LOW_WORD] === this.low &&
      words[base + ROW_LIMITER_WORD] === this.limiterIndex
    );
  }

  /** At most the rows of two sets are measured. */
  private findVictim(first: number, second: number, gauge: RowGauge, nowMs: number): number {
    let victim = NO_ROW;
    let leastShare = USED_UP;
    let retryAfterMs = Number.POSITIVE_INFINITY;
    for (let step = 0; step < 2 * SET_ROWS && leastShare > AT_REST; step += 1) {
      const row = step < SET_ROWS ? first + step : second + step - SET_ROWS;
      const limiterIndex = this.views.words[this.baseOf(row) + ROW_LIMITER_WORD] as number;
      const share = gauge.measureUsedShare(this.baseOf(row), limiterIndex, nowMs);
      if (share >= USED_UP) retryAfterMs = Math.min(retryAfterMs, gauge.retryAfterMs);
      if (share < leastShare) {
        leastShare = share;
        victim = row;
      }
    }
    this.retryAfterMs = victim === NO_ROW ? retryAfterMs : 0;
    return this.say(victim, true, leastShare);
  }

  private say(row: number, isNew: boolean, victimShare: number): number {
    this.isNew = isNew;
    this.victimShare = victimShare;
    return row;
  }
}

/** Spreads the bits of a 32-bit number. */
function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return bits ^ (bits >>> 16);
}
