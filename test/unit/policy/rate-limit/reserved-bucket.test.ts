import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateDecision } from '../../../../src/policy/rate-limit/rate-decision.js';
import {
  addToReserved,
  bringUpToDate,
  commitReserved,
  describeUnusedReserved,
  fillReservedBucket,
  peekReserved,
  usedShareOfReserved,
} from '../../../../src/policy/rate-limit/reserved-bucket.js';
import { tokenBucketRule } from '../../../../src/policy/rate-limit/token-bucket.js';

/** A bucket whose requests in flight are counted, as tickets count them. */
class Bucket {
  readonly rule;
  readonly state = { level: 0, tickMs: 0 };
  readonly decision = new RateDecision();
  held = 0;

  constructor(
    limit: number,
    burst: number,
    private readonly reserve: number,
  ) {
    this.rule = tokenBucketRule({ limit, windowMs: 1000, burst, cost: reserve });
    fillReservedBucket(this.state, this.rule, 0);
  }

  ask(nowMs: number): boolean {
    const { held } = this;
    if (!peekReserved(this.state, this.rule, { nowMs, held }, this.decision)) return false;
    commitReserved(this.state, this.rule, { nowMs, held }, this.decision);
    this.held += 1;
    return true;
  }

  end(nowMs: number, cost: number): void {
    bringUpToDate(this.state, this.rule, nowMs, this.held);
    this.held -= 1;
    addToReserved(this.state, this.rule, this.reserve - cost);
  }

  left(nowMs: number): number {
    const { held } = this;
    peekReserved(this.state, this.rule, { nowMs, held }, this.decision);
    return this.decision.remaining;
  }
}

describe('a bucket with reserves', () => {
  it('admits as many as have their reserve, and no more beside them', () => {
    const bucket = new Bucket(1, 100, 40);
    expect([bucket.ask(0), bucket.ask(0), bucket.ask(0)]).toEqual([true, true, false]);
    expect(bucket.left(0)).toBe(20);
  });

  it('gives back what was not used, and takes what was used above', () => {
    const bucket = new Bucket(1, 100, 40);
    bucket.ask(0);
    bucket.end(0, 10);
    expect(bucket.left(0)).toBe(90);
    bucket.ask(0);
    bucket.end(0, 75);
    expect(bucket.left(0)).toBe(15);
  });

  it('refuses until a debt is paid, and says how long that is', () => {
    const bucket = new Bucket(100, 100, 10);
    bucket.ask(0);
    bucket.end(0, 150);
    expect(bucket.ask(0)).toBe(false);
    expect(bucket.decision.remaining).toBe(0);
    expect(bucket.decision.retryAfterMs).toBeGreaterThanOrEqual(600);
    expect(bucket.decision.retryAfterMs).toBeLessThanOrEqual(601);
    expect(bucket.ask(599)).toBe(false);
    expect(bucket.ask(600)).toBe(true);
  });

  it('owes one whole bucket at most', () => {
    const bucket = new Bucket(100, 100, 10);
    bucket.ask(0);
    bucket.end(0, 2 ** 31 - 1);
    expect(bucket.ask(1099)).toBe(false);
    expect(bucket.ask(1100)).toBe(true);
  });

  it('has no room for refills where something is reserved', () => {
    const bucket = new Bucket(100, 100, 50);
    bucket.ask(0);
    // Full for long, as far as it can be beside the reserve.
    expect(bucket.left(10_000)).toBe(50);
    expect(bucket.ask(10_000)).toBe(true);
    bucket.end(10_000, 0);
    expect(bucket.left(10_000)).toBe(50);
    bucket.end(10_000, 50);
    expect(bucket.left(10_000)).toBe(50);
  });

  it('says that all is reserved, when only the end of a request makes room', () => {
    const bucket = new Bucket(100, 100, 100);
    bucket.ask(0);
    expect(bucket.ask(60_000)).toBe(false);
    expect(bucket.decision.retryAfterMs).toBe(1000);
    describeUnusedReserved(bucket.rule, 1, bucket.decision);
    expect(bucket.decision).toMatchObject({ admitted: false, remaining: 0, retryAfterMs: 1000 });
    describeUnusedReserved(bucket.rule, 0, bucket.decision);
    expect(bucket.decision).toMatchObject({ admitted: true, remaining: 100, retryAfterMs: 0 });
  });

  it('is used as far as it is not full', () => {
    const bucket = new Bucket(100, 100, 50);
    expect(usedShareOfReserved(bucket.state, bucket.rule, 0, 0)).toBe(0);
    bucket.ask(0);
    expect(usedShareOfReserved(bucket.state, bucket.rule, 60_000, 1)).toBe(0.5);
    bucket.end(60_000, 200);
    expect(usedShareOfReserved(bucket.state, bucket.rule, 60_000, 0)).toBe(1);
  });
});

const steps = fc.array(
  fc.record({
    gapMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 300, noNaN: true })),
    ends: fc.boolean(),
    which: fc.nat(1000),
    /** -1: its worker died, and it costs the reserve. */
    cost: fc.oneof(fc.constant(-1), fc.constant(0), fc.integer({ min: 0, max: 40 })),
  }),
  { minLength: 1, maxLength: 250 },
);

describe('whatever the order of asks, ends and deaths', () => {
  it('costs stay within the bucket and the debt, and reserves within what is left', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 20, max: 60 }), (all, burst) => {
        const [limit, reserve] = [50, 15];
        const bucket = new Bucket(limit, burst, reserve);
        const taken: { atMs: number; cost: number }[] = [];
        let nowMs = 0;
        for (const { gapMs, ends, cost: told, which } of all) {
          nowMs += gapMs;
          if (!ends || bucket.held === 0) {
            const left = bucket.left(nowMs);
            expect(bucket.ask(nowMs)).toBe(left >= reserve);
            expect(bucket.held * reserve).toBeLessThanOrEqual(burst);
            continue;
          }
          const cost = told === -1 ? reserve : told + (which % 3);
          const before = bucket.state.level;
          bucket.end(nowMs, cost);
          expect(bucket.state.level).toBeLessThanOrEqual(
            bucket.rule.unitsMax - bucket.held * bucket.rule.unitsPerTake,
          );
          expect(before).toBeGreaterThanOrEqual(-bucket.rule.unitsMax);
          taken.push({ atMs: nowMs, cost });
          const debt = Math.max(0, -bucket.state.level) / bucket.rule.unitsPerToken;
          if (debt >= burst) return;
          for (let from = 0, sum = 0; from < taken.length; from += 1) {
            sum = taken.slice(from).reduce((total, one) => total + one.cost, 0);
            const elapsedMs = nowMs - (taken[from]?.atMs ?? 0);
            const allowed = burst + (elapsedMs * limit) / 1000 + debt;
            expect(sum).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
