import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUDGET_WINDOW_MS, RetryBudget } from '../../../../src/policy/retry/retry-budget.js';

const RULE = { budgetPercent: 20, minConcurrency: 3 };

function takeAll(budget: RetryBudget, nowMs: number): number {
  let count = 0;
  while (count < 10_000 && budget.tryTake(nowMs)) count += 1;
  return count;
}

function request(budget: RetryBudget, nowMs: number, count: number): void {
  for (let done = 0; done < count; done += 1) {
    budget.onRequest(nowMs);
    budget.onRequestDone();
  }
}

describe('retry budget', () => {
  it('allows the least number however few requests there are, and a part of them above it', () => {
    expect(takeAll(new RetryBudget(RULE), 5)).toBe(3);
    const budget = new RetryBudget(RULE);
    request(budget, 5, 100);
    expect(takeAll(budget, 5)).toBe(23);
    request(budget, 6, 4);
    expect(takeAll(budget, 6)).toBe(0);
    request(budget, 7, 1);
    expect(takeAll(budget, 7)).toBe(1);
  });

  it('forgets what was one window ago, requests and retries alike', () => {
    const budget = new RetryBudget(RULE);
    request(budget, 500, 100);
    expect(takeAll(budget, 900)).toBe(23);
    expect(takeAll(budget, BUDGET_WINDOW_MS - 1)).toBe(0);
    expect(takeAll(budget, BUDGET_WINDOW_MS)).toBe(3);
    expect(takeAll(budget, 50 * BUDGET_WINDOW_MS)).toBe(3);
  });

  it('counts requests in flight that began before the window', () => {
    const budget = new RetryBudget(RULE);
    for (let count = 0; count < 50; count += 1) budget.onRequest(0);
    expect(takeAll(budget, 3 * BUDGET_WINDOW_MS)).toBe(13);
    for (let count = 0; count < 50; count += 1) budget.onRequestDone();
    expect(() => budget.onRequestDone()).toThrow('a request ends once');
  });

  it('gives nothing when both figures are 0', () => {
    const budget = new RetryBudget({ budgetPercent: 0, minConcurrency: 0 });
    request(budget, 0, 1000);
    expect(takeAll(budget, 0)).toBe(0);
  });

  it('agrees with a list of times, whatever comes in which order', () => {
    const step = fc.record({
      afterMs: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 30_000 })),
      what: fc.constantFrom('begin', 'end', 'retry', 'retry'),
    });
    const rule = fc.record({
      budgetPercent: fc.integer({ min: 0, max: 100 }),
      minConcurrency: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(rule, fc.array(step, { maxLength: 300 }), (budgetRule, steps) => {
        const budget = new RetryBudget(budgetRule);
        const begun: number[] = [];
        const retried: number[] = [];
        let inFlight = 0;
        let nowMs = 0;
        // The window moves in whole seconds.
        const isRecent = (atMs: number): boolean =>
          Math.floor(nowMs / 1000) - Math.floor(atMs / 1000) < BUDGET_WINDOW_MS / 1000;
        for (const { afterMs, what } of steps) {
          nowMs += afterMs;
          if (what === 'begin') {
            budget.onRequest(nowMs);
            begun.push(nowMs);
            inFlight += 1;
          } else if (what === 'end' && inFlight > 0) {
            budget.onRequestDone();
            inFlight -= 1;
          } else if (what === 'retry') {
            const requests = Math.max(begun.filter(isRecent).length, inFlight);
            const part = Math.floor((budgetRule.budgetPercent * requests) / 100);
            const hasRoom = retried.filter(isRecent).length < budgetRule.minConcurrency + part;
            expect(budget.tryTake(nowMs)).toBe(hasRoom);
            if (hasRoom) retried.push(nowMs);
          }
        }
      }),
    );
  });
});
