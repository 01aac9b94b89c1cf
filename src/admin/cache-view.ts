/**
 * What lies in the memory of the cache.
 *
 * Thread: supervisor (on the main thread). Only reads it: no thread is asked, and nobody waits.
 */
import type { CacheMemory } from '../channel/cache/cache-memory.js';
import { CacheSegment, type SegmentCount } from '../channel/cache/cache-segment.js';

/** The part of one lane. */
export interface SegmentFigures extends SegmentCount {
  readonly lane: number;
  /** That entries and their index may take. */
  readonly limit: number;
}

/** Reads the segments of all lanes. */
export class CacheView {
  private readonly segments: readonly CacheSegment[];

  constructor({ segments }: CacheMemory) {
    this.segments = segments.map((segment) => new CacheSegment(segment));
  }

  /** By lane, with places to pause: an empty piece each. */
  *walk(): Generator<string, SegmentFigures[]> {
    const found: SegmentFigures[] = [];
    for (const [lane, segment] of this.segments.entries()) {
      const walk = segment.walk();
      let step = walk.next();
      while (step.done !== true) {
        yield '';
        step = walk.next();
      }
      found.push({ lane, limit: segment.bytesMax, ...step.value });
      yield '';
    }
    return found;
  }
}
