import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateDecision } from '../../../../src/policy/rate-limit/rate-decision.js';
import {
  commitSlidingWindow,
  peekSlidingWindow,
  type SlidingWindowRule,
  slidingWindowRule,
} from '../../../../src/policy/rate-limit/sliding-window.js';
import { ArrayLog } from './array-log.js';

const decision = new RateDecision();

function tryAdmit(log: ArrayLog, rule: SlidingWindowRule, nowMs: number): boolean {
  if (!peekSlidingWindow(log, rule, nowMs, decision)) return false;
  commitSlidingWindow(log, rule, nowMs, decision);
  return true;
}

/** Times with fractions, in bursts and pauses. */
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.double({ min: 0, max: 3, noNaN: true }) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 400, noNaN: true }) },
  ),
  { minLength: 1, maxLength: 400 },
);
const starts = fc.constantFrom(0, 12_345.678, 2 ** 31 - 50, 2 ** 32 - 50.5, 2 ** 40 + 0.25);

/** All admissions ever; those that lie in (now - window, now]. */
function countInWindow(admissions: readonly number[], nowMs: number, windowMs: number): number {
  return admissions.filter((at) => nowMs - at < windowMs).length;
}

describe('sliding window', () => {
  it('admits the last one of the limit and refuses the next', () => {
    const log = new ArrayLog(10);
    const rule = slidingWindowRule({ limit: 10, windowMs: 60_000, cost: 1 }, 10);
    for (let count = 1; count <= 9; count += 1) expect(tryAdmit(log, rule, 5)).toBe(true);
    expect(decision.remaining).toBe(1);
    expect(tryAdmit(log, rule, 5)).toBe(true);
    expect(decision.remaining).toBe(0);
    expect(tryAdmit(log, rule, 5)).toBe(false);
    expect(decision).toMatchObject({ admitted: false, remaining: 0, retryAfterMs: 60_000 });
  });

  it('gives an admission back when the window has passed, not before', () => {
    const log = new ArrayLog(10);
    const rule = slidingWindowRule({ limit: 1, windowMs: 1000, cost: 1 }, 10);
    expect(tryAdmit(log, rule, 100)).toBe(true);
    expect(tryAdmit(log, rule, 1099.999)).toBe(false);
    expect(tryAdmit(log, rule, 1100)).toBe(true);
  });

  it('uses up nothing when it is only peeked', () => {
    const log = new ArrayLog(10);
    const rule = slidingWindowRule({ limit: 1, windowMs: 1000, cost: 1 }, 10);
    for (let time = 0; time < 10; time += 1) {
      expect(peekSlidingWindow(log, rule, time, decision)).toBe(true);
    }
    expect(decision).toMatchObject({ remaining: 1, resetMs: 0, retryAfterMs: 0 });
  });

  it('tells as reset when the oldest admission leaves', () => {
    const log = new ArrayLog(10);
    const rule = slidingWindowRule({ limit: 3, windowMs: 1000, cost: 1 }, 10);
    tryAdmit(log, rule, 0);
    tryAdmit(log, rule, 400);
    expect(decision.resetMs).toBe(600);
    peekSlidingWindow(log, rule, 1000, decision);
    expect(decision).toMatchObject({ remaining: 2, resetMs: 400 });
  });

  it('knows that a log is over which rested longer than 32-bit stamps can tell', () => {
    const log = new ArrayLog(10);
    const rule = slidingWindowRule({ limit: 1, windowMs: 1000, cost: 1 }, 10);
    tryAdmit(log, rule, 0);
    expect(tryAdmit(log, rule, 2 ** 31 + 10)).toBe(true);
    expect(tryAdmit(log, rule, 2 ** 31 + 11)).toBe(false);
    expect(tryAdmit(log, rule, 2 ** 33)).toBe(true);
  });

  it('admits no more when the clock goes back', () => {
    const log = new ArrayLog(10);
    const rule = slidingWindowRule({ limit: 2, windowMs: 1000, cost: 1 }, 10);
    tryAdmit(log, rule, 500);
    tryAdmit(log, rule, 490);
    expect(tryAdmit(log, rule, 495)).toBe(false);
    expect(tryAdmit(log, rule, 1490)).toBe(false);
    expect(tryAdmit(log, rule, 1500)).toBe(true);
  });

  it('is the naive list of all times, but for two milliseconds towards refusing', () => {
    fc.assert(
      fc.property(starts, fc.integer({ min: 1, max: 20 }), steps, (startMs, limit, gaps) => {
        const windowMs = 100;
        const log = new ArrayLog(20);
        const rule = slidingWindowRule({ limit: limit, windowMs: windowMs, cost: 1 }, 20);
        const admissions: number[] = [];
        let nowMs = startMs;
        for (const gap of gaps) {
          nowMs += gap;
          const isAdmitted = tryAdmit(log, rule, nowMs);
          const inWindow = countInWindow(admissions, nowMs, windowMs);
          if (isAdmitted) expect(inWindow).toBeLessThan(limit);
          else expect(countInWindow(admissions, nowMs, windowMs + 2)).toBe(limit);
          if (isAdmitted) admissions.push(nowMs);
        }
      }),
    );
  });

  it('refuses until the time that it told, and admits then', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), steps, (limit, gaps) => {
        const log = new ArrayLog(8);
        const rule = slidingWindowRule({ limit: limit, windowMs: 100, cost: 1 }, 8);
        let nowMs = 7.5;
        for (const gap of gaps) {
          nowMs += gap;
          if (tryAdmit(log, rule, nowMs)) continue;
          const laterMs = nowMs + decision.retryAfterMs;
          expect(peekSlidingWindow(log, rule, laterMs - 1.001, decision)).toBe(false);
          expect(peekSlidingWindow(log, rule, laterMs, decision)).toBe(true);
          nowMs = laterMs;
        }
      }),
    );
  });

  it('over-admits in no window when admissions share entries, and is late by a bounded time at most', () => {
    fc.assert(
      fc.property(starts, fc.integer({ min: 9, max: 60 }), steps, (startMs, limit, gaps) => {
        const [windowMs, capacity] = [100, 8];
        const log = new ArrayLog(capacity);
        const rule = slidingWindowRule({ limit: limit, windowMs: windowMs, cost: 1 }, capacity);
        const admissions: number[] = [];
        let nowMs = startMs;
        for (const gap of gaps) {
          nowMs += gap;
          const isAdmitted = tryAdmit(log, rule, nowMs);
          const lateMs = windowMs + Math.ceil((2 * windowMs) / (capacity - 2)) + 3;
          if (isAdmitted) expect(countInWindow(admissions, nowMs, windowMs)).toBeLessThan(limit);
          else expect(countInWindow(admissions, nowMs, lateMs)).toBeGreaterThanOrEqual(limit);
          if (isAdmitted) admissions.push(nowMs);
        }
        expect(log.longest).toBeLessThanOrEqual(capacity);
      }),
    );
  });

  it('never needs more groups than there are, however the admissions are spread', () => {
    for (const windowMs of [100, 1000, 60_000, 86_400_000]) {
      const log = new ArrayLog(64);
      const rule = slidingWindowRule({ limit: 1_000_000, windowMs: windowMs, cost: 1 }, 64);
      for (let step = 0; step < 500; step += 1) tryAdmit(log, rule, (step * windowMs) / 97);
      expect(log.longest).toBeLessThanOrEqual(64);
      expect(log.total).toBeGreaterThanOrEqual(97);
    }
  });

  describe('over many days', () => {
    const DAY_MS = 86_400_000;
    const windows = fc.constantFrom(12 * DAY_MS, 13 * DAY_MS, 30 * DAY_MS, 400 * DAY_MS);
    /** Bursts, hours, and pauses of up to two windows. */
    const gapsOf = (windowMs: number) =>
      fc.array(
        fc.oneof(
          { weight: 3, arbitrary: fc.double({ min: 0, max: 300, noNaN: true }) },
          { weight: 3, arbitrary: fc.double({ min: 0, max: windowMs / 8, noNaN: true }) },
          { weight: 1, arbitrary: fc.double({ min: 0, max: 2 * windowMs, noNaN: true }) },
        ),
        { minLength: 1, maxLength: 200 },
      );
    const cases = windows.chain((windowMs) =>
      fc.record({
        windowMs: fc.constant(windowMs),
        gaps: gapsOf(windowMs),
        startMs: starts,
        limit: fc.integer({ min: 1, max: 20 }),
      }),
    );

    it('is the naive list of all times, but for two ticks towards refusing', () => {
      fc.assert(
        fc.property(cases, ({ windowMs, gaps, startMs, limit }) => {
          const log = new ArrayLog(20);
          const rule = slidingWindowRule({ limit, windowMs, cost: 1 }, 20);
          expect(rule.tickMs).toBeLessThanOrEqual(64);
          const admissions: number[] = [];
          let nowMs = startMs;
          for (const gap of gaps) {
            nowMs += gap;
            const isAdmitted = tryAdmit(log, rule, nowMs);
            const late = windowMs + 2 * rule.tickMs;
            if (isAdmitted) expect(countInWindow(admissions, nowMs, windowMs)).toBeLessThan(limit);
            else expect(countInWindow(admissions, nowMs, late)).toBeGreaterThanOrEqual(limit);
            if (isAdmitted) admissions.push(nowMs);
          }
        }),
      );
    });

    it('tells a time that is true', () => {
      fc.assert(
        fc.property(cases, ({ windowMs, gaps, startMs, limit }) => {
          const log = new ArrayLog(8);
          const rule = slidingWindowRule({ limit, windowMs, cost: 1 }, 8);
          let nowMs = startMs;
          for (const gap of gaps) {
            nowMs += gap;
            if (tryAdmit(log, rule, nowMs)) continue;
            const laterMs = nowMs + decision.retryAfterMs;
            expect(peekSlidingWindow(log, rule, laterMs - 1.001, decision)).toBe(false);
            expect(peekSlidingWindow(log, rule, laterMs, decision)).toBe(true);
          }
        }),
      );
    });

    it('counts in milliseconds where that is enough', () => {
      const tickOf = (windowMs: number) =>
        slidingWindowRule({ limit: 1, windowMs, cost: 1 }, 10).tickMs;
      expect([DAY_MS, 2 ** 30, 2 ** 30 + 1, 30 * DAY_MS, 400 * DAY_MS].map(tickOf)).toEqual([
        1, 1, 2, 4, 64,
      ]);
    });
  });
});
