/**
 * Takes stored replies away, or makes them stale, in all segments.
 *
 * Thread: any (both ends). Changes marks only, so it needs no leave of any writer.
 * Invariant: once it is done no request gets what was purged, not even a reply that was on its way
 * when the purge began.
 */
import type { EntryHead } from './cache-entry.js';
import { type CacheMemory, CacheSerials } from './cache-memory.js';
import { CacheSegment } from './cache-segment.js';

/** Which replies are purged. */
export type Selects = (head: EntryHead) => boolean;

/** How many entries it has purged. `isSoft`: they stay, and are stale. */
export function purgeCache(memory: CacheMemory, selects: Selects, isSoft: boolean): number {
  let purged = 0;
  const gone = new Set<number>();
  const segments = memory.segments.map((segment) => new CacheSegment(segment));
  new CacheSerials(memory).purge(() => {
    for (const segment of segments) {
      segment.forEach((entry, soften) => {
        if (!selects(entry.head)) return;
        purged += 1;
        if (isSoft) {
          soften();
        } else {
          entry.kill();
          gone.add(entry.number);
        }
      });
    }
    if (gone.size === 0) return;
    for (const segment of segments) {
      segment.forEach((form) => {
        if (gone.has(form.number)) form.kill();
      }, true);
    }
  });
  return purged;
}
