/**
 * The stored replies as one worker uses them.
 *
 * Thread: any (both ends). Reads all segments, writes one.
 * Invariants: a reply is found only under the serials that its places had when it was asked for, so
 * what became void in between never answers; and a purge that begins while a reply is stored either
 * kills it or is seen before the reply is allowed.
 */
import { defined } from '../../base/assert.js';
import type { HalfSipHash } from '../../base/half-sip-hash.js';
import { type EntryHead, encodeEntry } from './cache-entry.js';
import { type CacheMemory, CacheSerials } from './cache-memory.js';
import { CacheSegment, type FoundEntry } from './cache-segment.js';
import { SegmentWriter } from './segment-writer.js';

/** Of two stored replies that fit, the younger answers. */
export type Fits = (variant: string) => boolean;

export class CacheStore {
  readonly serials: CacheSerials;
  private readonly segments: readonly CacheSegment[];
  private readonly own: CacheSegment;
  private readonly writer: SegmentWriter;

  /** `lane`: whose segment is written here. */
  constructor(
    memory: CacheMemory,
    lane: number,
    private readonly hash: HalfSipHash,
  ) {
    this.serials = new CacheSerials(memory);
    this.segments = memory.segments.map((segment) => new CacheSegment(segment));
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

  hashOf(text: string): number {
    this.hash.hash(text);
    return this.hash.low;
  }

  /** null: nothing is stored that fits. */
  find(key: string, fits: Fits): FoundEntry | null {
    let best: FoundEntry | null = null;
    for (const entry of this.candidates(key)) {
      if (!fits(entry.head.variant)) continue;
      const isBetter = best === null || entry.head.bornUnixMs > best.head.bornUnixMs;
      if (isBetter) best = entry;
    }
    return best;
  }

  /** Whether another variant of this is stored. */
  has(key: string): boolean {
    return this.candidates(key).length > 0;
  }

  private candidates(key: string): FoundEntry[] {
    const found: FoundEntry[] = [];
    const hash = this.hashOf(key);
    for (const segment of this.segments) segment.find(hash, found);
    return found.filter(({ head }) => head.key === key && this.isCurrent(head));
  }

  private isCurrent({ serials }: EntryHead): boolean {
    for (let at = 0; at + 1 < serials.length; at += 2) {
      if (this.serials.of(serials[at] ?? 0) !== serials[at + 1]) return false;
    }
    return true;
  }

  /**
   * Stores a reply in place of what there was for its key and variant. `purges`: their serial when
   * the reply was asked for. False: it is too long, or there was a purge.
   */
  put(head: EntryHead, body: Buffer, purges: number): boolean {
    const { key, variant } = head;
    const slot = this.writer.add(encodeEntry(head, this.hashOf(key), body));
    if (slot === -1 || !this.writer.allow(slot, purges)) return false;
    for (const entry of this.candidates(key)) {
      const isNew = entry.segment === this.own && entry.slot === slot;
      if (!isNew && entry.head.variant === variant) entry.kill();
    }
    return true;
  }
}
