import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEADLINE_TICK_MS,
  DeadlineEntry,
  DeadlineWheel,
} from '../../../../src/worker/exchange/deadline-wheel.js';

/** One turn of the wheel. */
const TURN_MS = 512 * DEADLINE_TICK_MS;
const START_MS = 1_000_003.7;

function aWheel(): { wheel: DeadlineWheel; met: string[]; entry: (name: string) => DeadlineEntry } {
  const met: string[] = [];
  const entry = (name: string) =>
    new DeadlineEntry((nowMs) => met.push(`${name}@${nowMs - START_MS}`));
  return { wheel: new DeadlineWheel(START_MS), met, entry };
}

describe('a deadline', () => {
  it('is met once, not before its time and at most one tick after it', () => {
    const { wheel, met, entry } = aWheel();
    wheel.set(entry('a'), START_MS + 200);
    wheel.advance(START_MS + 199);
    expect(met).toEqual([]);
    wheel.advance(START_MS + 200 + DEADLINE_TICK_MS);
    expect(met).toEqual([`a@${200 + DEADLINE_TICK_MS}`]);
    wheel.advance(START_MS + 10_000);
    expect(met).toHaveLength(1);
    expect(wheel.size).toBe(0);
  });

  it('that has passed already is met at the next tick', () => {
    const { wheel, met, entry } = aWheel();
    wheel.set(entry('a'), START_MS - 5000);
    wheel.advance(START_MS);
    expect(met).toEqual([]);
    wheel.advance(START_MS + DEADLINE_TICK_MS);
    expect(met).toHaveLength(1);
  });

  it.each([TURN_MS - 1, TURN_MS, TURN_MS + 1, 3 * TURN_MS + 7])(
    'is met after %d ms, also beyond a turn of the wheel',
    (afterMs) => {
      const { wheel, met, entry } = aWheel();
      wheel.set(entry('a'), START_MS + afterMs);
      for (let ms = 0; ms < afterMs; ms += 40) wheel.advance(START_MS + ms);
      expect(met).toEqual([]);
      wheel.advance(START_MS + afterMs + DEADLINE_TICK_MS);
      expect(met).toHaveLength(1);
    },
  );

  it('is met although nobody looked for many turns', () => {
    const { wheel, met, entry } = aWheel();
    wheel.set(entry('a'), START_MS + 120);
    wheel.set(entry('b'), START_MS + 2 * TURN_MS);
    wheel.advance(START_MS + 10 * TURN_MS);
    expect(met).toHaveLength(2);
  });

  it('can be taken back, twice, and set again', () => {
    const { wheel, met, entry } = aWheel();
    const one = entry('a');
    wheel.clear(one);
    wheel.set(one, START_MS + 100);
    wheel.clear(one);
    wheel.clear(one);
    expect(wheel.size).toBe(0);
    wheel.advance(START_MS + 1000);
    expect(met).toEqual([]);
    wheel.set(one, START_MS + 1100);
    wheel.advance(START_MS + 2000);
    expect(met).toHaveLength(1);
  });

  it('can be moved, later or sooner; only the last counts', () => {
    const { wheel, met, entry } = aWheel();
    const later = entry('later');
    const sooner = entry('sooner');
    wheel.set(later, START_MS + 100);
    wheel.set(later, START_MS + 5000);
    wheel.set(sooner, START_MS + 5000);
    wheel.set(sooner, START_MS + 100);
    expect(wheel.size).toBe(2);
    wheel.advance(START_MS + 1000);
    expect(met).toEqual(['sooner@1000']);
    wheel.advance(START_MS + 6000);
    expect(met).toEqual(['sooner@1000', 'later@6000']);
  });

  it('set while another one is met waits for its own time', () => {
    const met: number[] = [];
    const wheel = new DeadlineWheel(START_MS);
    const again: DeadlineEntry = new DeadlineEntry((nowMs) => {
      met.push(nowMs - START_MS);
      if (met.length < 3) wheel.set(again, nowMs);
    });
    wheel.set(again, START_MS + 10);
    for (let ms = 0; ms <= 1000; ms += 100) wheel.advance(START_MS + ms);
    expect(met).toEqual([100, 200, 300]);
  });

  it('taken back by another one of the same tick is not met', () => {
    const { wheel, met, entry } = aWheel();
    const victim = entry('victim');
    wheel.set(new DeadlineEntry(() => wheel.clear(victim)), START_MS + 100);
    wheel.set(victim, START_MS + 100);
    wheel.advance(START_MS + 1000);
    expect(met).toEqual([]);
    expect(wheel.size).toBe(0);
  });

  it('does not care about a clock that stands still or goes back', () => {
    const { wheel, met, entry } = aWheel();
    wheel.advance(START_MS + 1000);
    wheel.advance(START_MS + 500);
    wheel.set(entry('a'), START_MS + 700);
    wheel.advance(START_MS + 1000);
    wheel.advance(START_MS + 1000 + DEADLINE_TICK_MS);
    expect(met).toHaveLength(1);
  });
});

it('every deadline is met at the first look a tick after it, or sooner, but never early', () => {
  const step = fc.record({
    entry: fc.nat(5),
    afterMs: fc.oneof(fc.nat(300), fc.integer({ min: -100, max: 3 * TURN_MS })),
    waitMs: fc.oneof(fc.nat(120), fc.nat(2 * TURN_MS)),
    isCleared: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let nowMs = START_MS;
      const wheel = new DeadlineWheel(nowMs);
      const dueMs = new Map<DeadlineEntry, number>();
      const entries = Array.from({ length: 6 }, () => {
        const entry: DeadlineEntry = new DeadlineEntry((at) => {
          expect(dueMs.get(entry)).toBeLessThanOrEqual(at);
          dueMs.delete(entry);
        });
        return entry;
      });
      for (const { entry: which, afterMs, waitMs, isCleared } of steps) {
        const entry = entries[which];
        if (entry === undefined) continue;
        if (isCleared) {
          wheel.clear(entry);
          dueMs.delete(entry);
        } else {
          wheel.set(entry, nowMs + afterMs);
          dueMs.set(entry, nowMs + afterMs);
        }
        expect(wheel.size).toBe(dueMs.size);
        const setMs = nowMs;
        nowMs += waitMs;
        wheel.advance(nowMs);
        for (const due of dueMs.values()) {
          expect(nowMs).toBeLessThan(Math.max(due, setMs) + DEADLINE_TICK_MS);
        }
      }
    }),
    { numRuns: 300 },
  );
});
