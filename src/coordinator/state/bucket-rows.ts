/**
 * One limiter row at a time, in the form that the policies read and write.
 *
 * Thread: coordinator. Cursors over the rows of a table: bound to a row, then read and written. Hot
 * path, watched by bench/micro/coordinator/decisions: every limited ask. There is one cursor of
 * each kind, and an ask allocates nothing.
 *
 * The thread may end between two writes, and another thread goes on with the row. So the order of
 * writes is such that a half-written row counts an admission too many, never one too few.
 */
import { assert } from '../../base/assert.js';
import type { FixedWindowState } from '../../policy/rate-limit/fixed-window.js';
import type { SlidingLog } from '../../policy/rate-limit/sliding-window.js';
import type { TokenBucketState } from '../../policy/rate-limit/token-bucket.js';
import { ROW_ENTRIES_WORD, ROW_LOG_WORD, ROW_TIME_WORD, ROW_TOTAL_WORD } from './bucket-layout.js';

const HEAD_SHIFT = 16;
const LENGTH_MASK = 0xffff;

/** The two views of a table's memory. */
export interface RowViews {
  readonly words: Int32Array;
  readonly floats: Float64Array;
}

abstract class RowCursor {
  protected base = 0;

  constructor(protected readonly views: RowViews) {}

  /** `base` is the index of the row's first word. */
  bind(base: number): void {
    this.base = base;
  }

  protected get(word: number): number {
    return this.views.words[this.base + word] as number;
  }

  protected put(word: number, value: number): void {
    this.views.words[this.base + word] = value;
  }

  protected getFloat(word: number): number {
    return this.views.floats[(this.base + word) >> 1] as number;
  }

  protected putFloat(word: number, value: number): void {
    this.views.floats[(this.base + word) >> 1] = value;
  }
}

abstract class LogRow extends RowCursor implements SlidingLog {
  constructor(
    views: RowViews,
    readonly capacity: number,
  ) {
    super(views);
  }

  abstract readonly total: number;
  abstract stampAt(index: number): number;
  abstract dropOldest(): void;
  abstract append(tick: number): void;
  abstract mergeIntoNewest(tick: number): void;
  abstract mergeSmallest(): void;
  abstract takeOut(tick: number, count: number): number;
  abstract clear(): void;

  get head(): number {
    return this.get(ROW_ENTRIES_WORD) >>> HEAD_SHIFT;
  }

  get length(): number {
    return this.get(ROW_ENTRIES_WORD) & LENGTH_MASK;
  }

  get newestTick(): number {
    return this.getFloat(ROW_TIME_WORD);
  }

  protected setEntries(head: number, length: number): void {
    this.put(ROW_ENTRIES_WORD, (head << HEAD_SHIFT) | length);
  }

  protected indexOf(head: number, offset: number): number {
    const index = head + offset;
    return index >= this.capacity ? index - this.capacity : index;
  }

  /** The first entry that is no older than the stamp, as its offset from the oldest entry. */
  protected offsetOf(tick: number): number {
    const stamp = tick | 0;
    const { head, length } = this;
    for (let offset = 0; offset < length; offset += 1) {
      if (((this.stampAt(this.indexOf(head, offset)) - stamp) | 0) >= 0) return offset;
    }
    return length;
  }

  protected shorten(): void {
    this.setEntries(this.indexOf(this.head, 1), this.length - 1);
  }
}

/** A log with one stamp for each admission. */
export class StampLogRow extends LogRow {
  get total(): number {
    return this.length;
  }

  stampAt(index: number): number {
    return this.get(ROW_LOG_WORD + index);
  }

  clear(): void {
    this.setEntries(0, 0);
  }

  dropOldest(): void {
    this.shorten();
  }

  append(tick: number): void {
    const { head, length } = this;
    assert(length < this.capacity, 'an exact log is as long as its limit');
    this.put(ROW_LOG_WORD + this.indexOf(head, length), tick | 0);
    this.putFloat(ROW_TIME_WORD, tick);
    this.setEntries(head, length + 1);
  }

  mergeIntoNewest(): void {
    assert(false, 'an exact log shares no entries');
  }

  mergeSmallest(): void {
    assert(false, 'an exact log is as long as its limit');
  }

  takeOut(tick: number, count: number): number {
    const first = this.offsetOf(tick);
    const { head, length } = this;
    let end = first;
    while (end < length && end - first < count && this.isStampAt(end, tick)) end += 1;
    // Newer entries move up one by one: in between, one of them counts twice and none is missing.
    for (let from = end; from < length; from += 1) {
      const stamp = this.stampAt(this.indexOf(head, from));
      this.put(ROW_LOG_WORD + this.indexOf(head, from - (end - first)), stamp);
    }
    this.setEntries(head, length - (end - first));
    return end - first;
  }

  private isStampAt(offset: number, tick: number): boolean {
    return this.stampAt(this.indexOf(this.head, offset)) === (tick | 0);
  }
}

/** A log whose entries are groups of admissions. */
export class GroupLogRow extends LogRow {
  get total(): number {
    return this.get(ROW_TOTAL_WORD);
  }

  stampAt(index: number): number {
    return this.get(ROW_LOG_WORD + 2 * index);
  }

  clear(): void {
    this.setEntries(0, 0);
    this.put(ROW_TOTAL_WORD, 0);
  }

  dropOldest(): void {
    const admissions = this.get(ROW_LOG_WORD + 2 * this.head + 1);
    this.shorten();
    this.put(ROW_TOTAL_WORD, this.total - admissions);
  }

  append(tick: number): void {
    const { head, length } = this;
    assert(length < this.capacity, 'a full log takes no entry');
    const word = ROW_LOG_WORD + 2 * this.indexOf(head, length);
    this.put(word, tick | 0);
    this.put(word + 1, 1);
    this.putFloat(ROW_TIME_WORD, tick);
    this.put(ROW_TOTAL_WORD, this.total + 1);
    this.setEntries(head, length + 1);
  }

  mergeIntoNewest(tick: number): void {
    const word = ROW_LOG_WORD + 2 * this.indexOf(this.head, this.length - 1);
    this.put(word, tick | 0);
    this.putFloat(ROW_TIME_WORD, tick);
    this.put(ROW_TOTAL_WORD, this.total + 1);
    this.put(word + 1, this.get(word + 1) + 1);
  }

  takeOut(tick: number, count: number): number {
    const offset = this.offsetOf(tick);
    if (offset === this.length) return 0;
    const word = ROW_LOG_WORD + 2 * this.indexOf(this.head, offset) + 1;
    const taken = Math.min(count, this.get(word));
    this.put(word, this.get(word) - taken);
    this.put(ROW_TOTAL_WORD, this.total - taken);
    return taken;
  }

  mergeSmallest(): void {
    const merged = this.smallestOffset();
    const from = this.countWordAt(merged);
    const into = this.countWordAt(merged + 1);
    // In between the admissions count twice, and none is missing.
    this.put(into, this.get(into) + this.get(from));
    for (let offset = merged; offset > 0; offset -= 1) {
      const word = this.countWordAt(offset);
      const older = this.countWordAt(offset - 1);
      this.put(word - 1, this.get(older - 1));
      this.put(word, this.get(older));
    }
    this.shorten();
  }

  private smallestOffset(): number {
    const { head, length } = this;
    const at = (offset: number): number => this.stampAt(this.indexOf(head, offset));
    // Merges only across at most the mean distance: such a place always exists, and no admission is
    // held back for longer.
    const spanMs = ((at(length - 1) - at(1)) | 0) + ((at(length - 2) - at(0)) | 0);
    const meanMs = spanMs / (length - 2);
    let smallest = 1;
    let least = Number.POSITIVE_INFINITY;
    for (let offset = 1; offset < length - 1; offset += 1) {
      const admissions = this.get(this.countWordAt(offset));
      if (admissions === 0) return offset;
      const together = admissions + this.get(this.countWordAt(offset + 1));
      if (together >= least || ((at(offset + 1) - at(offset - 1)) | 0) > meanMs) continue;
      least = together;
      smallest = offset;
    }
    return smallest;
  }

  private countWordAt(offset: number): number {
    return ROW_LOG_WORD + 2 * this.indexOf(this.head, offset) + 1;
  }

  /** Repairs the total after a coordinator that ended between two writes: the groups are right. */
  repair(): void {
    let total = 0;
    for (let offset = 0; offset < this.length; offset += 1) {
      total += this.get(ROW_LOG_WORD + 2 * this.indexOf(this.head, offset) + 1);
    }
    this.put(ROW_TOTAL_WORD, total);
  }
}

/** A fixed window. */
export class WindowRow extends RowCursor implements FixedWindowState {
  get startMs(): number {
    return this.getFloat(ROW_TIME_WORD);
  }
  set startMs(value: number) {
    this.putFloat(ROW_TIME_WORD, value);
  }
  get admissions(): number {
    return this.get(ROW_LOG_WORD);
  }
  set admissions(value: number) {
    this.put(ROW_LOG_WORD, value);
  }
}

/** A token bucket. */
export class TokenRow extends RowCursor implements TokenBucketState {
  get level(): number {
    return this.getFloat(ROW_LOG_WORD);
  }
  set level(value: number) {
    this.putFloat(ROW_LOG_WORD, value);
  }
  get tickMs(): number {
    return this.getFloat(ROW_TIME_WORD);
  }
  set tickMs(value: number) {
    this.putFloat(ROW_TIME_WORD, value);
  }
  get olderMs(): number {
    return this.getFloat(ROW_LOG_WORD + 2);
  }
  set olderMs(value: number) {
    this.putFloat(ROW_LOG_WORD + 2, value);
  }
  get olderPeak(): number {
    return this.getFloat(ROW_LOG_WORD + 4);
  }
  set olderPeak(value: number) {
    this.putFloat(ROW_LOG_WORD + 4, value);
  }
  get newerMs(): number {
    return this.getFloat(ROW_LOG_WORD + 6);
  }
  set newerMs(value: number) {
    this.putFloat(ROW_LOG_WORD + 6, value);
  }
  get newerPeak(): number {
    return this.getFloat(ROW_LOG_WORD + 8);
  }
  set newerPeak(value: number) {
    this.putFloat(ROW_LOG_WORD + 8, value);
  }
}
