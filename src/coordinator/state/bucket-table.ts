/**
 * Finds the row of a limiter key, or the row that a new key may take.
 *
 * Thread: coordinator. Owns one limiter table in shared memory; see bucket-layout.ts.
 *
 * A key may lie in two sets of 16 rows, so a look-up reads two cache lines of tags and, for a hit,
 * one row. A new key takes a free row of the emptier set. Without a free row it takes, from one of
 * its sets, the row that has used least of its limit, but never a row whose next ask would be
 * refused: otherwise clients could escape their limit by asking under many names. Only when the
 * first set has no such row is the other set read. A set of depleted rows is remembered until the
 * first of them recovers, so that a flood of new names is refused without measuring rows. Nothing
 * is changed until {@link BucketTable.install}.
 */
import { assert } from '../../base/assert.js';
import {
  ROW_ENTRIES_WORD,
  ROW_HIGH_WORD,
  ROW_LOW_WORD,
  ROW_SPACE_WORD,
  SET_ROWS,
  TABLE_LINE_WORDS,
} from './bucket-layout.js';
import type { RowViews } from './bucket-rows.js';

export const NO_ROW = -1;

/** Measures how much of its limit a row has used. */
export interface RowGauge {
  /** 0: at rest. 1: the next ask would be refused, and {@link retryAfterMs} says for how long. */
  measureUsedShare(rowBase: number, keySpace: number, nowMs: number): number;
  readonly retryAfterMs: number;
}

/** The size of one comparison with unused tags. */
const UNUSED = Buffer.alloc(4096);

const USED_UP = 1;
const AT_REST = 0;

export class BucketTable {
  readonly views: RowViews;
  readonly rowCount: number;
  /** Result of the last {@link locate}: the row still belongs to another key, or to none. */
  isNew = false;
  /**
   * Result of the last {@link locate}: the share that the row's owner has used; -1: the row is
   * free.
   */
  victimShare = -1;
  /** Result of the last {@link locate} that found no row: the time until a row may be taken. */
  retryAfterMs = 0;
  private readonly tags: Int32Array;
  private readonly setCount: number;
  /**
   * For each set the time before which none of its rows may be taken. Not shared: losing it only
   * costs time.
   */
  private readonly depletedUntilMs: Float64Array;
  /** Rows that other keys of the current ask have found. */
  private readonly reserved: number[] = [];
  private turn = 0;
  private high = 0;
  private low = 0;
  private keySpace = 0;
  private tag = 0;
  private freeRow = NO_ROW;
  private freeCount = 0;

  constructor(
    buffer: ArrayBufferLike,
    readonly rowWords: number,
  ) {
    const words = buffer.byteLength / 4;
    this.rowCount = Math.max(0, words - TABLE_LINE_WORDS) / (1 + rowWords);
    this.setCount = this.rowCount / SET_ROWS;
    assert(Number.isInteger(this.setCount), 'the table has whole sets');
    this.depletedUntilMs = new Float64Array(this.setCount);
    this.tags =
      this.rowCount === 0
        ? new Int32Array(0)
        : new Int32Array(buffer, TABLE_LINE_WORDS * 4, this.rowCount);
    this.views = { words: new Int32Array(buffer), floats: new Float64Array(buffer) };
  }

  /** Index of the row's first word in {@link views}. */
  baseOf(row: number): number {
    return TABLE_LINE_WORDS + this.rowCount + row * this.rowWords;
  }

  /** The key space of the limiter whose key has the row. */
  keySpaceOf(row: number): number {
    return this.keySpaceAt(this.baseOf(row));
  }

  keySpaceAt(base: number): number {
    return this.views.words[base + ROW_SPACE_WORD] as number;
  }

  /** The caller is about to write the row that begins at `base`, in more than one step. */
  noteTouched(base: number): void {
    this.views.words[0] = base;
  }

  /** The base of the row that was noted last; 0: none. */
  touchedBase(): number {
    return this.rowCount === 0 ? 0 : (this.views.words[0] as number);
  }

  /** Keeps another key of the same ask from taking this row. */
  reserve(row: number): void {
    this.reserved.push(row);
  }

  clearReserved(): void {
    this.reserved.length = 0;
  }

  /** Sets the key for the {@link locate} that follows. */
  setKey(keySpace: number, high: number, low: number): void {
    this.keySpace = keySpace;
    this.high = high | 0;
    this.low = low | 0;
    const tag = mix(high ^ Math.imul(low, 0x2c1b3c6d) ^ keySpace);
    this.tag = tag === 0 ? 1 : tag;
  }

  /** The key's row, or the row that the key may take, or {@link NO_ROW}. */
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

  /** The key's row, or {@link NO_ROW}. */
  find(): number {
    if (this.rowCount === 0) return NO_ROW;
    const found = this.findIn(this.setOf(this.low, 0x297a2d39));
    return found === NO_ROW ? this.findIn(this.setOf(this.high, 0x68e31da4)) : found;
  }

  /** Gives the key the row that {@link locate} has named. `reset` clears the content of the row. */
  install(row: number, reset: () => void): void {
    const base = this.baseOf(row);
    // While the key is half written the row belongs to nobody, in case the thread ends here.
    this.tags[row] = 0;
    const words = this.views.words;
    words[base + ROW_HIGH_WORD] = this.high;
    words[base + ROW_LOW_WORD] = this.low;
    words[base + ROW_SPACE_WORD] = this.keySpace;
    words[base + ROW_ENTRIES_WORD] = 0;
    reset();
    this.tags[row] = this.tag;
  }

  /** The limits have changed: sets whose rows were depleted may have rows to give again. */
  measureAnew(): void {
    this.depletedUntilMs.fill(0);
  }

  /** The first used row from `from` on, or {@link NO_ROW}. Reads only. */
  nextUsedRow(from: number): number {
    for (let row = from; row < this.rowCount; row += 1) if (this.tags[row] !== 0) return row;
    return NO_ROW;
  }

  /** Rows in use; reads all tags. */
  countUsedRows(): number {
    let used = 0;
    const { buffer, byteOffset, byteLength } = this.tags;
    const bytes = Buffer.from(buffer, byteOffset, byteLength);
    for (let at = 0; at < byteLength; at += UNUSED.length) {
      const end = Math.min(byteLength, at + UNUSED.length);
      // Most of a table is often unused: one comparison skips a large part of it.
      if (bytes.compare(UNUSED, 0, end - at, at, end) === 0) continue;
      for (let row = at / 4; row < end / 4; row += 1) if (this.tags[row] !== 0) used += 1;
    }
    return used;
  }

  private setOf(hash: number, salt: number): number {
    const bits = mix(hash ^ Math.imul(this.keySpace + 1, salt)) >>> 0;
    return Math.floor((bits / 2 ** 32) * this.setCount) * SET_ROWS;
  }

  private findIn(setRow: number): number {
    this.freeCount = 0;
    this.freeRow = NO_ROW;
    for (let row = setRow; row < setRow + SET_ROWS; row += 1) {
      const tag = this.tags[row] as number;
      if (tag === this.tag && this.isKeyOf(row)) return row;
      if (tag === 0 && !this.reserved.includes(row)) {
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
      words[base + ROW_SPACE_WORD] === this.keySpace
    );
  }

  /**
   * Measures the rows of one set, and those of the other only when the first has no row to take.
   */
  private findVictim(first: number, second: number, gauge: RowGauge, nowMs: number): number {
    this.turn ^= 1;
    const [near, far] = this.turn === 0 ? [first, second] : [second, first];
    let victim = this.victimIn(near, gauge, nowMs);
    if (victim === NO_ROW && near !== far) victim = this.victimIn(far, gauge, nowMs);
    const freeMs = Math.min(this.depletedAt(near), this.depletedAt(far));
    this.retryAfterMs = victim === NO_ROW ? Math.max(1, Math.ceil(freeMs - nowMs)) : 0;
    return this.say(victim, true, this.victimShare);
  }

  private victimIn(setRow: number, gauge: RowGauge, nowMs: number): number {
    if (this.depletedAt(setRow) > nowMs) return NO_ROW;
    let victim = NO_ROW;
    let leastShare = USED_UP;
    let retryAfterMs = Number.POSITIVE_INFINITY;
    for (let row = setRow; row < setRow + SET_ROWS && leastShare > AT_REST; row += 1) {
      if (this.reserved.includes(row)) continue;
      const share = gauge.measureUsedShare(this.baseOf(row), this.keySpaceOf(row), nowMs);
      if (share >= USED_UP) retryAfterMs = Math.min(retryAfterMs, gauge.retryAfterMs);
      if (share < leastShare) {
        leastShare = share;
        victim = row;
      }
    }
    this.victimShare = leastShare;
    if (victim === NO_ROW && retryAfterMs < Number.POSITIVE_INFINITY) {
      this.depletedUntilMs[setRow / SET_ROWS] = nowMs + retryAfterMs;
    }
    return victim;
  }

  private depletedAt(setRow: number): number {
    return this.depletedUntilMs[setRow / SET_ROWS] as number;
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
