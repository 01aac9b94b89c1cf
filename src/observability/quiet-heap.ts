/**
 * Gives back what the heap of a thread has taken in a busy time, once the thread is quiet.
 *
 * Thread: any (pure). Acceptors and workers look each after its own heap.
 *
 * V8 lets a young generation grow to tens of MiB while much outlives its collections, as
 * connections and exchanges do, and makes it small again only at a collection that comes while
 * little is allocated. A thread that has become quiet allocates so little that this would take
 * hours, in which nothing lives in that memory. The first collection of a quiet thread still
 * counts the busy time before it, so that mostly a second one is needed.
 */
import { performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import type { Clock, Timer } from '../base/clock.js';
import { beginCollection } from '../base/dropped-memory.js';

/** Time between two looks. V8 counts as little what is allocated in some seconds. */
const LOOK_MS = 8000;
/** A young generation that holds less is left as it is. */
const YOUNG_BYTES_MIN = 8 * 2 ** 20;
/** A thread that has worked for a smaller part of its time is quiet. */
const BUSY_SHARE_MAX = 0.02;
/** Collections that are tried before the thread was busy again. */
const TRIES_MAX = 3;

/** How a thread knows itself, and what it can do. */
export interface HeapOfThread {
  /** Bytes that the young generation holds, used or not. */
  youngBytes(): number;
  /** The part of the time since the last call in which the thread has worked: 0 to 1. */
  busyShare(): number;
  /** Collects, in small steps beside the thread's work. */
  collect(): void;
}

/** Looks after the heap of the thread that calls this, until the timer is cancelled. */
export function watchQuietHeap(clock: Clock): Timer {
  const heap = new QuietHeap();
  return clock.every(LOOK_MS, () => heap.look());
}

export class QuietHeap {
  private tries = 0;

  constructor(private readonly heap: HeapOfThread = heapOfThread()) {}

  /** Called every {@link LOOK_MS}. */
  look(): void {
    const { heap } = this;
    if (heap.busyShare() >= BUSY_SHARE_MAX) this.tries = 0;
    else if (this.tries < TRIES_MAX && heap.youngBytes() >= YOUNG_BYTES_MIN) {
      this.tries += 1;
      heap.collect();
    }
  }
}

/** The heap of the thread that calls this. */
export function heapOfThread(): HeapOfThread {
  let last = performance.eventLoopUtilization();
  return {
    youngBytes() {
      const spaces = getHeapSpaceStatistics();
      return spaces.find((space) => space.space_name === 'new_space')?.physical_space_size ?? 0;
    },
    busyShare() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    collect: beginCollection,
  };
}
