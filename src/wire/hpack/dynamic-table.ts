/**
 * The fields that one side of a connection has told the other, newest first.
 *
 * Thread: any (pure). RFC 7541 2.3.2 and 4. Entries lie one behind the other in one buffer, which
 * has twice the size of the table: an entry that does not fit before its end goes to its beginning,
 * and what lives there has been evicted by then. The buffer is made when the first entry comes.
 *
 * Invariant: bytes <= bytesMax <= capacity; live entries do not overlap.
 */
import type { FieldClass } from './field-class.js';
import type { FieldEntries } from './static-table.js';

/** What an entry counts beside its name and its value (RFC 7541 4.1). */
export const ENTRY_EXTRA_BYTES = 32;

/** Entries of a table that never gets any. */
const NO_ENTRIES: FieldEntries = {
  bytes: Buffer.alloc(0),
  starts: new Int32Array(0),
  nameEnds: new Int32Array(0),
  ends: new Int32Array(0),
  classes: new Uint8Array(0),
};

export class DynamicTable {
  entries: FieldEntries = NO_ENTRIES;
  count = 0;
  /** Names, values and ENTRY_EXTRA_BYTES each. */
  bytes = 0;
  bytesMax: number;
  /** How often it has changed: while it stays the same, every index means the same. */
  changes = 0;

  /** The slot of the newest entry. */
  private newest = 0;
  private mask = 0;
  private at = 0;

  /** `capacity`: the largest size that it may ever be given. */
  constructor(readonly capacity: number) {
    this.bytesMax = capacity;
  }

  /** Changes the size; at most the capacity. */
  resize(bytesMax: number): void {
    this.bytesMax = bytesMax;
    this.changes += 1;
    this.evictTo(bytesMax);
  }

  /** Where the entry lies that is `place` entries older than the newest; -1: there is none. */
  slotOf(place: number): number {
    return place < this.count ? (this.newest - place) & this.mask : -1;
  }

  /**
   * Takes the field that stands in `text` from `start`, an LF, to `end`; the LF behind its name is
   * at `nameEnd`. A field that is larger than the table empties it (RFC 7541 4.4).
   */
  insert(
    text: Buffer,
    { start, nameEnd, end }: { start: number; nameEnd: number; end: number },
    fieldClass: FieldClass,
  ): void {
    const length = end - start;
    const bytes = length - 2 + ENTRY_EXTRA_BYTES;
    this.changes += 1;
    this.evictTo(this.bytesMax - bytes);
    if (bytes > this.bytesMax) return;
    if (this.entries === NO_ENTRIES) this.entries = this.makeEntries();
    const { entries } = this;
    if (this.at + length > entries.bytes.length) this.at = 0;
    text.copy(entries.bytes, this.at, start, end);
    const slot = (this.newest + 1) & this.mask;
    entries.starts[slot] = this.at;
    entries.nameEnds[slot] = this.at + nameEnd - start;
    this.at += length;
    entries.ends[slot] = this.at;
    entries.classes[slot] = fieldClass;
    this.newest = slot;
    this.count++;
    this.bytes += bytes;
  }

  private evictTo(bytes: number): void {
    while (this.count > 0 && this.bytes > bytes) {
      const slot = (this.newest - this.count + 1) & this.mask;
      const length = (this.entries.ends[slot] ?? 0) - (this.entries.starts[slot] ?? 0);
      this.bytes -= length - 2 + ENTRY_EXTRA_BYTES;
      this.count--;
    }
  }

  private makeEntries(): FieldEntries {
    let slots = 1;
    while (slots * ENTRY_EXTRA_BYTES <= this.capacity) slots *= 2;
    this.mask = slots - 1;
    return {
      bytes: Buffer.allocUnsafeSlow(2 * this.capacity),
      starts: new Int32Array(slots),
      nameEnds: new Int32Array(slots),
      ends: new Int32Array(slots),
      classes: new Uint8Array(slots),
    };
  }
}
