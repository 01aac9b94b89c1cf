/**
 * Keeps the young generations of all threads small while threads load their code.
 *
 * Thread: supervisor. V8 doubles a young generation when as much as it holds has outlived a
 * collection, which is so of all code that is loaded, and makes it small again only some eight
 * seconds later: in a gateway with two workers that is 13 MiB for nothing. The flag is of the
 * whole process, and V8 sets it back whenever a thread gets its heap: it is set again while
 * threads begin.
 */
import { setFlagsFromString } from 'node:v8';
import type { Clock, Timer } from '../base/clock.js';
import { GROWING, HELD } from '../boot/heap-flags.js';

/** How often the flag is set: a thread takes some 30 ms from its heap to its first own code. */
const SET_EVERY_MS = 5;
/** Longest time, whatever becomes of the threads that load: those that serve have need of more. */
export const HOLD_MS_MAX = 10_000;

export type SetFlag = (flag: string) => void;

export class YoungGenerations {
  private timers: readonly Timer[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly setFlag: SetFlag = setFlagsFromString,
  ) {}

  /** From here on none grows, until {@link letGrow}, or for {@link HOLD_MS_MAX}. */
  hold(): void {
    for (const timer of this.timers) timer.cancel();
    const setNow = (): void => this.setFlag(HELD);
    setNow();
    this.timers = [
      this.clock.every(SET_EVERY_MS, setNow),
      this.clock.after(HOLD_MS_MAX, () => this.letGrow()),
    ];
  }

  /** From here on they grow as they have need. */
  letGrow(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers = [];
    this.setFlag(GROWING);
  }
}
