/**
 * Heads of stored replies that this thread has read before.
 *
 * Thread: any (both ends). One for each reader. A slot whose sequence is the same as then has the
 * same entry: its head need not be copied and decoded again.
 *
 * Invariant: a bounded number of heads of a bounded length; they lie outside of `cache.memory`.
 */
import type { EntryHead } from './cache-entry.js';

/** A power of two. */
const HEADS = 256;
/** Of the texts of a head that is kept. */
const HEAD_CHARS_MAX = 2048;

/** What stands before the body of an entry, and how long that is. */
export interface DecodedHead {
  readonly head: EntryHead;
  readonly headBytes: number;
  readonly bodyBytes: number;
  readonly number: number;
  readonly isForm: boolean;
}

export class DecodedHeads {
  private readonly slots = new Int32Array(HEADS).fill(-1);
  private readonly segments = new Int32Array(HEADS);
  private readonly sequences = new Int32Array(HEADS);
  private readonly heads: (DecodedHead | null)[] = Array.from({ length: HEADS }, () => null);

  /** null: it is not known. `segment`: the index of it. */
  find(segment: number, slot: number, sequence: number): DecodedHead | null {
    const at = placeOf(segment, slot);
    const isSame =
      this.slots[at] === slot && this.segments[at] === segment && this.sequences[at] === sequence;
    return isSame ? (this.heads[at] ?? null) : null;
  }

  keep(segment: number, slot: number, sequence: number, decoded: DecodedHead): void {
    const { key, variant, fields } = decoded.head;
    if (key.length + variant.length + fields.length > HEAD_CHARS_MAX) return;
    const at = placeOf(segment, slot);
    this.slots[at] = slot;
    this.segments[at] = segment;
    this.sequences[at] = sequence;
    this.heads[at] = decoded;
  }
}

/** Slots of one bucket lie beside each other. */
function placeOf(segment: number, slot: number): number {
  return (slot ^ (segment * 31)) & (HEADS - 1);
}
