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
  giveBackTokenBucket,
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
  count: fc.integer({ min: 1, max: 60 }),
  isGrant: fc.boolean(),
  validMs: fc.integer({ min: 1, max: 10 }),
  lateness: fc.constantFrom(0, 1),
  usedShare: fc.constantFrom(0, 0.5, 1),
  /** After its last moment, until what is left comes back. */
  returnMs: fc.constantFrom(0, 3, 30, 250),
});
const STEPS = fc.array(STEP, { maxLength: 60 });

const VALID_MS_MAX = 10;

describe('grants of a token bucket', () => {
  it('never let through more than a bucket that is asked at the moment of use', () => {
    let givenBack = 0;
    const rates = fc.constantFrom(
      [100, 100, 40],
      [1000, 100, 50],
      [30, 100, 30],
      // Slow enough to be empty for long: what comes back matters.
      [100, 2000, 60],
      [200, 2000, 60],
      [100, 5000, 60],
      [600, 2000, 100],
    );
    fc.assert(
      fc.property(STEPS, rates, (steps, [limit = 0, windowMs = 0, burst = 0]) => {
        const rule = tokenBucketRule({ limit, windowMs, burst, cost: 1 });
        const state = { level: 0, tickMs: 0, newerMs: 0, newerPeak: 0, olderMs: 0, olderPeak: 0 };
        const decision = new RateDecision();
        fillTokenBucket(state, rule, 0);
        const usedMs: number[] = [];
        let leftOver: LeftOver[] = [];
        let nowMs = 0;
        for (const step of steps) {
          const { gapMs, count, isGrant, validMs, lateness, usedShare, returnMs } = step;
          nowMs += gapMs;
          for (const { unused, untilMs } of leftOver.filter(({ backMs }) => backMs <= nowMs)) {
            const grantedMs = untilMs - VALID_MS_MAX;
            const moments = { nowMs, grantedMs, validMs: VALID_MS_MAX };
            const given = giveBackTokenBucket(state, rule, unused, moments);
            expect(given).toBeLessThanOrEqual(unused);
            givenBack += given;
          }
          leftOver = leftOver.filter(({ backMs }) => backMs > nowMs);
          if (isGrant) {
            const untilMs = Math.floor(nowMs) + validMs;
            const granted = Math.min(count, grantableOfTokenBucket(state, rule, nowMs, untilMs));
            if (granted > 0) grantTokenBucket(state, rule, granted, [nowMs, untilMs]);
            const atMs = nowMs + (untilMs - nowMs) * lateness;
            const used = Math.floor(granted * usedShare);
            for (let use = 0; use < used; use += 1) usedMs.push(atMs);
            // An early return, of what will not be used, is no different.
            const backMs = atMs + returnMs;
            leftOver.push({ backMs, unused: granted - used, untilMs });
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
    expect(givenBack).toBeGreaterThan(100);
  });
});

/** A bucket and who takes from it; grants are good for 10 ms. */
class Bucket {
  private readonly rule;
  private readonly decision = new RateDecision();
  private readonly state = {
    level: 0,
    tickMs: 0,
    newerMs: 0,
    newerPeak: 0,
    olderMs: 0,
    olderPeak: 0,
  };

  constructor(limit: number, windowMs: number, burst: number) {
    this.rule = tokenBucketRule({ limit, windowMs, burst, cost: 1 });
    fillTokenBucket(this.state, this.rule, 0);
  }

  /** Takes this number, or as many as there are; returns how many it took. */
  take(nowMs: number, count = Number.POSITIVE_INFINITY): number {
    const { state, rule, decision } = this;
    let taken = 0;
    for (; taken < count && peekTokenBucket(state, rule, nowMs, decision); taken += 1) {
      commitTokenBucket(state, rule, nowMs, decision);
    }
    return taken;
  }

  grant(nowMs: number, count: number): void {
    grantTokenBucket(this.state, this.rule, count, [nowMs, nowMs + VALID_MS_MAX]);
  }

  giveBack(nowMs: number, grantedMs: number, count: number): number {
    const moments = { nowMs, grantedMs, validMs: VALID_MS_MAX };
    return giveBackTokenBucket(this.state, this.rule, count, moments);
  }
}

describe('what is left of a grant of a token bucket', () => {
  it('comes back to a bucket that is in demand', () => {
    const bucket = new Bucket(1000, 10_000, 1000);
    bucket.take(0, 300);
    bucket.grant(1, 60);
    expect(bucket.take(2)).toBe(640);
    expect(bucket.giveBack(15, 1, 50)).toBe(50);
    expect(bucket.take(15)).toBe(51);
  });

  it('is lost to a bucket that was full meanwhile', () => {
    const bucket = new Bucket(1000, 10_000, 1000);
    bucket.grant(0, 10);
    expect(bucket.take(150)).toBe(1000);
    expect(bucket.giveBack(150, 0, 10)).toBe(0);
  });

  it('of several grants comes back as far as there was room for all of it together', () => {
    const bucket = new Bucket(100, 10_000, 100);
    bucket.take(0, 5);
    bucket.grant(0, 5);
    bucket.grant(0, 5);
    expect(bucket.take(1)).toBe(85);
    expect(bucket.giveBack(20, 0, 5)).toBe(4);
    expect(bucket.giveBack(20, 0, 5)).toBe(0);
  });

  it('leaves the room for what another grant, used late, keeps the bucket from gaining', () => {
    const bucket = new Bucket(1000, 1000, 100);
    bucket.take(0, 15);
    bucket.grant(0, 15);
    bucket.grant(9, 40);
    expect(bucket.giveBack(11, 0, 15)).toBe(3);
    // A bucket asked at the moment of use is full by then: 100 - 40 of that grant.
    expect(bucket.take(19)).toBeLessThanOrEqual(60);
  });

  it('is lost when nobody knows any more how full the bucket was since', () => {
    const bucket = new Bucket(1000, 10_000, 100);
    bucket.take(0, 50);
    bucket.grant(0, 20);
    expect(bucket.take(1500)).toBe(100);
    for (const nowMs of [1750, 2000, 2250]) expect(bucket.take(nowMs)).toBe(25);
    expect(bucket.giveBack(2250, 0, 20)).toBe(0);
    bucket.grant(2250, 0);
    expect(bucket.giveBack(2261, 2250, 20)).toBe(20);
  });
});

interface LeftOver {
  readonly backMs: number;
  readonly unused: number;
  readonly untilMs: number;
}

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
