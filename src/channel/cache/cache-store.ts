/**
 * The stored replies as one worker uses them.
 *
 * Thread: any (both ends). Reads all segments, writes one.
 * Invariant: a purge that begins while a reply is stored either kills it or is seen before the
 * reply is allowed. What is found and what is not: cache-reader.ts.
 */
import { defined } from '../../base/assert.js';
import type { Coding } from '../../base/content-codings.js';
import type { HalfSipHash } from '../../base/half-sip-hash.js';
import { type EntryHead, encodeEntry } from './cache-entry.js';
import type { CacheMemory } from './cache-memory.js';
import { CacheReader } from './cache-reader.js';
import type { CacheSegment } from './cache-segment.js';
import { formHash, formHead } from './coded-forms.js';
import type { HotBodies } from './hot-bodies.js';
import { SegmentWriter } from './segment-writer.js';

const NO_BODY = Buffer.alloc(0);

export class CacheStore extends CacheReader {
  /** Of the last reply that was stored. */
  lastNumber = 0;
  private readonly own: CacheSegment;
  private readonly writer: SegmentWriter;

  /** `lane`: whose segment is written here. `bodies`: see CacheReader. */
  constructor(
    memory: CacheMemory,
    lane: number,
    hash: HalfSipHash,
    bodies: HotBodies | null = null,
  ) {
    super(memory, hash, bodies);
    this.own = defined(this.segments[lane], 'the segment of a lane');
    const memoryOfLane = defined(memory.segments[lane], 'the segment of a lane');
    this.writer = new SegmentWriter(memoryOfLane, this.serials);
  }

  /** Entries that went to make room for others, since this thread began. */
  get evicted(): number {
    return this.writer.evicted;
  }

  /** What is longer, with its fields, is not stored. */
  get entryBytesMax(): number {
    return this.writer.entryBytesMax;
  }

  /**
   * Stores a reply in place of what there was for its key and variant. `purges`: their serial when
   * the reply was asked for. False: it is too long, or there was a purge.
   */
  put(head: EntryHead, body: Buffer, purges: number): boolean {
    const { key, variant } = head;
    const name = { hash: this.hashOf(key), number: this.serials.nextNumber(), isForm: false };
    const slot = this.writer.add(encodeEntry(head, name, body));
    if (slot === -1 || !this.writer.allow(slot, purges)) return false;
    this.lastNumber = name.number;
    for (const entry of this.candidates(key)) {
      const isNew = entry.segment === this.own && entry.slot === slot;
      if (isNew || entry.head.variant !== variant) continue;
      entry.kill();
      this.killForms(entry.number);
    }
    return true;
  }

  /**
   * Stores the body of the reply with this number in a coding, in place of what there was of it in
   * this one. `form`: null: it does not get shorter. `purges`: their serial when the body was read.
   */
  putForm(
    number: number,
    { coding, level, form }: { coding: Coding; level: number; form: Buffer | null },
    purges: number,
  ): void {
    const name = { hash: formHash(number, coding), number, isForm: true };
    const entry = encodeEntry(formHead(coding, level), name, form ?? NO_BODY);
    const slot = this.writer.add(entry);
    if (slot === -1 || !this.writer.allow(slot, purges)) return;
    for (const entry of this.formsOf(number, coding)) {
      if (entry.segment !== this.own || entry.slot !== slot) entry.kill();
    }
  }
}
