/**
 * A clock that stands still until a test moves it, and timers that fire when it gets there.
 *
 * Several clocks may share one time, as threads do: each has timers and turns of its own, so that
 * whoever steps them chooses which thread goes on next.
 */
import type { Clock, Timer } from '../../src/base/clock.js';

/** Where wall time stands when the monotonic clock of a test is at 0: 2026-01-01T00:00:00Z. */
const UNIX_MS_AT_ZERO = Date.UTC(2026, 0, 1);

interface FakeTimer extends Timer {
  dueMs: number;
  /** -1: it fires once. */
  readonly everyMs: number;
  readonly step: () => void;
}

/** Time that clocks share. */
export interface FakeTime {
  ms: number;
}

export class FakeClock implements Clock {
  private timers: FakeTimer[] = [];
  private turn: (() => void)[] = [];
  private setByMs = 0;

  constructor(readonly time: FakeTime = { ms: 1000 }) {}

  readonly nowMs = (): number => this.time.ms;
  readonly unixMs = (): number => UNIX_MS_AT_ZERO + this.setByMs + Math.floor(this.time.ms);

  /** Sets the wall clock forward or back; no time passes. */
  setWall(byMs: number): void {
    this.setByMs += byMs;
  }

  readonly afterTurn = (step: () => void): void => {
    this.turn.push(step);
  };

  readonly after = (delayMs: number, step: () => void): Timer => this.add(delayMs, -1, step);
  readonly every = (everyMs: number, step: () => void): Timer => this.add(everyMs, everyMs, step);

  private add(delayMs: number, everyMs: number, step: () => void): Timer {
    const timer = {
      dueMs: this.time.ms + Math.max(0, delayMs),
      everyMs,
      step,
      cancel: (): void => {
        this.timers = this.timers.filter((one) => one !== timer);
      },
    };
    this.timers.push(timer);
    return timer;
  }

  /** Timers that have not fired for the last time. */
  get timerCount(): number {
    return this.timers.length;
  }

  /** Something waits for the end of the turn. */
  get hasTurn(): boolean {
    return this.turn.length > 0;
  }

  /** When the next timer fires; infinity: there is none. */
  get nextDueMs(): number {
    return Math.min(...this.timers.map(({ dueMs }) => dueMs));
  }

  /** Ends the turn: what was left for that runs, and what it leaves waits for the next one. */
  endTurn(): void {
    for (const step of this.turn.splice(0)) step();
  }

  /** Fires the timer that is due first, if its time has come. False: none is due. */
  fireNext(): boolean {
    const due = this.timers.filter(({ dueMs }) => dueMs <= this.time.ms);
    const first = due.reduce<FakeTimer | null>(
      (best, one) => (best === null || one.dueMs < best.dueMs ? one : best),
      null,
    );
    if (first === null) return false;
    // A thread that was held up makes up for no ticks that it missed.
    if (first.everyMs < 0) first.cancel();
    else first.dueMs = this.time.ms + first.everyMs;
    first.step();
    return true;
  }

  /** Moves time on, from one timer to the next; turns end in between. */
  advance(ms: number): void {
    const untilMs = this.time.ms + ms;
    for (;;) {
      this.settle();
      const { nextDueMs } = this;
      if (nextDueMs > untilMs) break;
      this.time.ms = Math.max(this.time.ms, nextDueMs);
      this.fireNext();
    }
    this.time.ms = untilMs;
  }

  /** Ends turns until nothing is left for the next one. Throws when that never comes. */
  settle(): void {
    for (let turns = 0; this.hasTurn; turns += 1) {
      if (turns === 10_000) throw new Error('somebody asks for another turn again and again');
      this.endTurn();
    }
  }
}
