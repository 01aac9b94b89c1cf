/**
 * The stored replies as everybody reads them.
 *
 * Thread: any (both ends). Reads all segments and writes none.
 * Invariant: a reply is found only under the serials that its places had when it was asked for, so
 * what became void in between never answers.
 */

import { CODINGS, type Coding } from '../../base/content-codings.js';
import type { HalfSipHash } from '../../base/half-sip-hash.js';
import type { EntryHead } from './cache-entry.js';
import { type CacheMemory, CacheSerials } from './cache-memory.js';
import { CacheSegment, type FoundEntry } from './cache-segment.js';
import { formHash } from './coded-forms.js';
import { DecodedHeads } from './decoded-heads.js';
import type { HotBodies } from './hot-bodies.js';
import { LongBodies } from './long-bodies.js';

/** Of two stored replies that fit, the younger answers. */
export type Fits = (variant: string) => boolean;

export class CacheReader {
  readonly serials: CacheSerials;
  protected readonly segments: readonly CacheSegment[];

  /** `bodies`: where those of hits are kept for the acceptor; null: nowhere. */
  constructor(
    memory: CacheMemory,
    private readonly hash: HalfSipHash,
    bodies: HotBodies | null = null,
  ) {
    this.serials = new CacheSerials(memory);
    const memories = { heads: new DecodedHeads(), bodies, longBodies: new LongBodies() };
    this.segments = memory.segments.map(
      (segment, index) => new CacheSegment(segment, index, memories),
    );
  }

  hashOf(text: string): number {
    this.hash.hash(text);
    return this.hash.low;
  }

  // Hot path (bench/gateway/cache-hit).
  /** null: nothing is stored that fits. `hash`: that of the key. */
  find(key: string, fits: Fits, hash = this.hashOf(key)): FoundEntry | null {
    let best: FoundEntry | null = null;
    for (const entry of this.candidates(key, hash)) {
      if (!fits(entry.head.variant)) continue;
      const isBetter = best === null || entry.head.bornMs > best.head.bornMs;
      if (isBetter) best = entry;
    }
    return best;
  }

  /** Whether another variant of this is stored. */
  has(key: string): boolean {
    return this.candidates(key).length > 0;
  }

  protected candidates(key: string, hash = this.hashOf(key)): FoundEntry[] {
    const found: FoundEntry[] = [];
    for (const segment of this.segments) segment.find(hash, found);
    return found.filter(({ head, isForm }) => !isForm && head.key === key && this.isCurrent(head));
  }

  /** A coded form of the reply with this number. null: nobody has made it, or it has gone. */
  findForm(number: number, coding: Coding, level: number): FoundEntry | null {
    for (const entry of this.formsOf(number, coding)) {
      if (entry.head.status === level) return entry;
    }
    return null;
  }

  /** Those in one coding, of any level. */
  protected formsOf(number: number, coding: Coding): FoundEntry[] {
    const found: FoundEntry[] = [];
    const hash = formHash(number, coding);
    for (const segment of this.segments) segment.find(hash, found);
    return found.filter(
      (entry) => entry.isForm && entry.number === number && entry.head.key === coding,
    );
  }

  /** The reply with this number is void, and nobody finds these. */
  protected killForms(number: number): void {
    for (const coding of CODINGS) {
      for (const entry of this.formsOf(number, coding)) entry.kill();
    }
  }

  /** Whether nothing that it was stored under has become void since. */
  isCurrent({ serials }: EntryHead): boolean {
    for (let at = 0; at + 1 < serials.length; at += 2) {
      if (this.serials.of(serials[at] ?? 0) !== serials[at + 1]) return false;
    }
    return true;
  }
}
