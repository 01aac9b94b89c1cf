/**
 * Has V8 collect shared memory that a thread uses no more.
 *
 * Thread: any (pure). Each counts for its own heap.
 *
 * V8 does not count shared memory as something that a heap holds. A thread that is given a new one
 * with each version of the configuration, and hardly grows otherwise, would keep all of them until
 * its next collection, which may be hours away. A plain buffer is counted from the moment it is
 * made, and its pages are not real ones before somebody touches them: a large one that is dropped
 * at once makes V8 begin a collection, in small steps beside the thread's work.
 */

/** Of shared memory: more bytes than these are worth a collection. */
const DROPPED_BYTES_MAX = 16 * 2 ** 20;

/** V8 collects when 64 MiB more are held outside of the heap than after the last collection. */
const COUNTED_BYTES = 96 * 2 ** 20;

export class DroppedMemory {
  private bytes = 0;

  /** The thread uses this much shared memory from now on, in place of what it had before. */
  replacedBy(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes <= DROPPED_BYTES_MAX) return;
    this.bytes = 0;
    beginCollection();
  }
}

/** V8 begins to collect the heap of this thread, in small steps beside the thread's work. */
export function beginCollection(): void {
  try {
    new ArrayBuffer(COUNTED_BYTES);
  } catch (error) {
    // Where there is no room for it V8 has collected all it could before it said so.
    if (!(error instanceof RangeError)) throw error;
  }
}
