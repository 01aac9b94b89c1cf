/**
 * Admissions granted in advance and used as late as they may be, between others, never add up to
 * more than the policy promises. Times are those of use.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateDecision } from '../../../../src/policy/rate-limit/rate-decision.js';
import {
  commitSlidingWindow,
  giveBackSlidingWindow,
  grantSlidingWindow,
  peekSlidingWindow,
  slidingWindowRule,
} from '../../../../src/policy/rate-limit/sliding-window.js';
import {
  commitTokenBucket,
  fillTokenBucket,
  grantableOfTokenBucket,
  grantTokenBucket,
  peekTokenBucket,
  tokenBucketRule,
} from '../../../../src/policy/rate-limit/token-bucket.js';
import { ArrayLog } from './array-log.js';

/** Gap before it; admissions asked for one by one, or granted; how late and how many are used. */
const STEP = fc.record({
  gapMs: fc.oneof(
    fc.double({ min: 0, max: 3, noNaN: true }),
    fc.double({ min: 4, max: 14, noNaN: true }),
    // Long enough for a bucket to be full again.
    fc.constantFrom(80, 500),
  ),
  count: fc.integer({ min: 1, max: 40 }),
  isGrant: fc.boolean(),
  validMs: fc.integer({ min: 1, max: 10 }),
  lateness: fc.constantFrom(0, 1),
  usedShare: fc.constantFrom(0, 0.5, 1),
});
const STEPS = fc.array(STEP, { maxLength: 60 });

describe('grants of a token bucket', () => {
  it('never let through more than a bucket that is asked at the moment of use', () => {
    const rates = fc.constantFrom([100, 100, 40], [1000, 100, 50], [30, 100, 30] as const);
    fc.assert(
      fc.property(STEPS, rates, (steps, [limit = 0, windowMs = 0, burst = 0]) => {
        const rule = tokenBucketRule({ limit, windowMs, burst, cost: 1 });
        const state = { level: 0, tickMs: 0 };
        const decision = new RateDecision();
        fillTokenBucket(state, rule, 0);
        const usedMs: number[] = [];
        let nowMs = 0;
        for (const { gapMs, count, isGrant, validMs, lateness, usedShare } of steps) {
          nowMs += gapMs;
          if (isGrant) {
            const untilMs = Math.floor(nowMs) + validMs;
            const granted = Math.min(count, grantableOfTokenBucket(state, rule, nowMs, untilMs));
            if (granted > 0) grantTokenBucket(state, rule, granted, [nowMs, untilMs]);
            const atMs = nowMs + (untilMs - nowMs) * lateness;
            for (let use = 0; use < Math.floor(granted * usedShare); use += 1) usedMs.push(atMs);
            continue;
          }
          for (let ask = 0; ask < count; ask += 1) {
            if (!peekTokenBucket(state, rule, nowMs, decision)) break;
            commitTokenBucket(state, rule, nowMs, decision);
            usedMs.push(nowMs);
          }
        }
        expectTokens(usedMs, { limit, windowMs, burst });
      }),
      { numRuns: 1000 },
    );
  });
});

function expectTokens(
  usedMs: readonly number[],
  { limit, windowMs, burst }: { limit: number; windowMs: number; burst: number },
): void {
  let level = burst;
  let lastMs = 0;
  for (const atMs of [...usedMs].sort((one, other) => one - other)) {
    level = Math.min(burst, level + ((atMs - lastMs) * limit) / windowMs) - 1;
    lastMs = atMs;
    expect(level).toBeGreaterThanOrEqual(-1e-6);
  }
}

describe('grants of a sliding window', () => {
  it('never let through more than its limit, also when what is left over comes back', () => {
    const limits = fc.constantFrom([20, 20], [60, 16]);
    fc.assert(
      fc.property(STEPS, limits, (steps, [limit = 0, capacity = 0]) => {
        const windowMs = 100;
        const rule = slidingWindowRule({ limit, windowMs, cost: 1 }, capacity);
        const log = new ArrayLog(capacity);
        const decision = new RateDecision();
        const usedMs: number[] = [];
        const leftOver: [untilMs: number, unused: number][] = [];
        let nowMs = 0;
        for (const { gapMs, count, isGrant, validMs, lateness, usedShare } of steps) {
          nowMs += gapMs;
          while ((leftOver[0]?.[0] ?? nowMs) < nowMs) {
            const [untilMs, unused] = leftOver.shift() ?? [0, 0];
            giveBackSlidingWindow(log, rule, unused, [nowMs, untilMs]);
          }
          peekSlidingWindow(log, rule, nowMs, decision);
          const untilMs = Math.floor(nowMs) + validMs;
          const taken = Math.min(count, decision.admissionsLeft);
          const used = isGrant ? Math.floor(taken * usedShare) : taken;
          if (isGrant) {
            grantSlidingWindow(log, rule, taken, untilMs);
            leftOver.push([untilMs, taken - used]);
          } else {
            for (let ask = 0; ask < taken; ask += 1) {
              commitSlidingWindow(log, rule, nowMs, decision);
            }
          }
          const atMs = isGrant ? nowMs + (untilMs - nowMs) * lateness : nowMs;
          for (let use = 0; use < used; use += 1) usedMs.push(atMs);
        }
        usedMs.sort((one, other) => one - other);
        usedMs.forEach((atMs, at) => {
          const next = usedMs[at + limit];
          if (next !== undefined) expect(next - atMs).toBeGreaterThanOrEqual(windowMs);
        });
      }),
      { numRuns: 1000 },
    );
  });
});
