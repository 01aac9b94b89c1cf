import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clearFixedWindow,
  commitFixedWindow,
  fixedWindowRule,
  giveBackFixedWindow,
  grantFixedWindow,
  grantUntilOfFixedWindow,
  peekFixedWindow,
} from '../../../../src/policy/rate-limit/fixed-window.js';
import { RateDecision } from '../../../../src/policy/rate-limit/rate-decision.js';

function aWindow(limit: number, windowMs: number, cost = 1) {
  const rule = fixedWindowRule({ limit, windowMs, cost });
  const state = { startMs: 0, admissions: 0 };
  clearFixedWindow(state);
  const decision = new RateDecision();
  const ask = (nowMs: number) => {
    const isAdmitted = peekFixedWindow(state, rule, nowMs, decision);
    if (isAdmitted) commitFixedWindow(state, rule, nowMs, decision);
    return isAdmitted;
  };
  return { rule, state, decision, ask };
}

describe('fixed window', () => {
  it('begins with its first admission and is full at its limit, until it is over', () => {
    const { ask, decision } = aWindow(3, 100);
    expect([40, 41, 139].map(ask)).toEqual([true, true, true]);
    expect(decision).toMatchObject({ remaining: 0, admissionsLeft: 0, resetMs: 1 });
    expect(ask(139.5)).toBe(false);
    expect(decision.retryAfterMs).toBe(1);
    expect(ask(140)).toBe(true);
    expect(decision).toMatchObject({ remaining: 2, resetMs: 100 });
  });

  it('ends late by less than a millisecond, never early', () => {
    const { ask } = aWindow(1, 100);
    expect([0.4, 100.3, 100.9, 101].map(ask)).toEqual([true, false, false, true]);
  });

  it('takes the cost of each admission and says what is left', () => {
    const { ask, decision } = aWindow(10, 100, 3);
    expect([1, 1, 1, 1].map(ask)).toEqual([true, true, true, false]);
    expect(decision.remaining).toBe(1);
  });

  it('lets through no more than its limit in a window, and says truly when it will again', () => {
    const gaps = fc.array(fc.double({ min: 0, max: 60, noNaN: true }), { maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 5 }), (steps, limit) => {
        const { ask, state, decision } = aWindow(limit, 100);
        const countByWindow = new Map<number, number>();
        let nowMs = 0;
        for (const gapMs of steps) {
          nowMs += gapMs;
          if (!ask(nowMs)) {
            const { retryAfterMs } = decision;
            const copy = { ...state };
            const rule = fixedWindowRule({ limit, windowMs: 100, cost: 1 });
            const later = new RateDecision();
            expect(peekFixedWindow(copy, rule, nowMs + retryAfterMs, later)).toBe(true);
            continue;
          }
          const count = (countByWindow.get(state.startMs) ?? 0) + 1;
          countByWindow.set(state.startMs, count);
          expect(count).toBeLessThanOrEqual(limit);
        }
        const starts = [...countByWindow.keys()];
        starts.forEach((startMs, at) => {
          if (at > 0) expect(startMs - (starts[at - 1] ?? 0)).toBeGreaterThanOrEqual(100);
        });
      }),
    );
  });

  it('ends a grant with its window, and takes back what is left only within it', () => {
    const { ask, rule, state, decision } = aWindow(10, 100);
    ask(0);
    expect(grantUntilOfFixedWindow(state, rule, 50, 60)).toBe(60);
    expect(grantUntilOfFixedWindow(state, rule, 95, 105)).toBe(99);
    grantFixedWindow(state, rule, 5, 50);
    expect(giveBackFixedWindow(state, rule, 2, 60)).toBe(2);
    peekFixedWindow(state, rule, 50, decision);
    expect(decision.remaining).toBe(6);
    ask(100);
    expect(giveBackFixedWindow(state, rule, 3, 60)).toBe(0);
    expect(state.admissions).toBe(1);
  });
});
