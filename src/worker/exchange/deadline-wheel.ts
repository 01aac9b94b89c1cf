/**
 * Deadlines of many exchanges on one timer.
 *
 * Thread: worker. A hashed wheel of 50 ms ticks; deadlines further away than one turn of the
 * wheel are looked at once per turn. Setting and clearing move links, nothing is allocated.
 * A deadline is met at most one tick late.
 */
import { assert } from '../../base/assert.js';

const TICK_MS = 50;
const SLOT_COUNT = 512;

/** Something with at most one deadline. The fields belong to the wheel. */
export class DeadlineEntry {
  deadlineMs = 0;
  previous: DeadlineEntry | null = null;
  next: DeadlineEntry | null = null;

  constructor(readonly onDeadline: (nowMs: number) => void) {}
}

export class DeadlineWheel {
  private readonly slots: DeadlineEntry[] = [];
  private tick: number;
  private count = 0;

  /** `onBusy` is called when there is an entry again: from then on time has to be told. */
  constructor(
    nowMs: number,
    private readonly onBusy: () => void = () => {},
  ) {
    this.tick = Math.floor(nowMs / TICK_MS);
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const head = new DeadlineEntry(() => assert(false, 'a slot head has no deadline'));
      head.previous = head;
      head.next = head;
      this.slots.push(head);
    }
  }

  /** Entries that wait. */
  get size(): number {
    return this.count;
  }

  isSet(entry: DeadlineEntry): boolean {
    return entry.next !== null;
  }

  /** Sets or moves the entry's deadline. */
  set(entry: DeadlineEntry, deadlineMs: number): void {
    this.clear(entry);
    entry.deadlineMs = deadlineMs;
    const tick = Math.max(this.tick + 1, Math.ceil(deadlineMs / TICK_MS));
    const head = this.slots[tick % SLOT_COUNT];
    assert(head !== undefined, 'the wheel has that slot');
    entry.previous = head.previous;
    entry.next = head;
    if (head.previous !== null) head.previous.next = entry;
    head.previous = entry;
    this.count++;
    if (this.count === 1) this.onBusy();
  }

  /** Takes the deadline back, if there is one. */
  clear(entry: DeadlineEntry): void {
    const { previous, next } = entry;
    if (previous === null || next === null) return;
    previous.next = next;
    next.previous = previous;
    entry.previous = null;
    entry.next = null;
    this.count--;
  }

  /** Calls onDeadline of every entry whose time has come. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / TICK_MS);
    const from = this.tick;
    const steps = Math.min(target - from, SLOT_COUNT);
    // Moved on first, so that what is set meanwhile lands in slots that are still to come.
    this.tick = Math.max(from, target);
    for (let step = 1; step <= steps; step++) this.visit((from + step) % SLOT_COUNT, nowMs);
  }

  private visit(slot: number, nowMs: number): void {
    const head = this.slots[slot];
    assert(head !== undefined, 'the wheel has that slot');
    const due: DeadlineEntry[] = [];
    for (let entry = head.next; entry !== null && entry !== head; entry = entry.next) {
      if (entry.deadlineMs <= nowMs) due.push(entry);
    }
    for (const entry of due) {
      // One of the others may have cleared or moved it.
      if (entry.next === null || entry.deadlineMs > nowMs) continue;
      this.clear(entry);
      entry.onDeadline(nowMs);
    }
  }
}

export { TICK_MS as DEADLINE_TICK_MS };
