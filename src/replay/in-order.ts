/**
 * Puts what has a time into its order, as far as a bounded memory allows.
 *
 * Thread: any (pure). A binary heap, the earliest at its top; what has the same time leaves in the
 * order in which it came.
 */
import { defined } from '../base/assert.js';

interface Place<T> {
  readonly time: number;
  readonly serial: number;
  readonly value: T;
}

export class InOrder<T> {
  private readonly heap: Place<T>[] = [];
  private serial = 0;

  get size(): number {
    return this.heap.length;
  }

  /** The earliest time; infinite: there is nothing. */
  get firstTime(): number {
    return this.heap[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  add(time: number, value: T): void {
    const { heap } = this;
    const place = { time, serial: this.serial++, value };
    let at = heap.length;
    heap.push(place);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = defined(heap[parent], 'a parent');
      if (!isBefore(place, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = place;
  }

  /** The earliest one, which there must be. */
  take(): T {
    const { heap } = this;
    const first = defined(heap[0], 'something to take');
    const last = defined(heap.pop(), 'a last place');
    if (heap.length > 0) this.sink(last);
    return first.value;
  }

  private sink(place: Place<T>): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child += 1;
      const lower = defined(heap[child], 'a child');
      if (!isBefore(lower, place)) break;
      heap[at] = lower;
      at = child;
    }
    heap[at] = place;
  }
}

function isBefore<T>(one: Place<T>, other: Place<T>): boolean {
  return one.time < other.time || (one.time === other.time && one.serial < other.serial);
}
