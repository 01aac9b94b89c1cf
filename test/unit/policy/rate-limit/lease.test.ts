import { describe, expect, it } from 'vitest';
import {
  type LeaseConfig,
  LeaseState,
  leaseRule,
  shareOf,
} from '../../../../src/policy/rate-limit/lease.js';

const CONFIG: LeaseConfig = {
  algorithm: 'slidingWindow',
  limit: 1000,
  windowMs: 1000,
  burst: 1000,
  cost: 1,
};

describe('leaseRule', () => {
  it('is short beside the window, and at most 100 ms', () => {
    expect(leaseRule(CONFIG, 50)).toMatchObject({ validMs: 50, isLeased: true, admissions: 1000 });
    expect(leaseRule({ ...CONFIG, windowMs: 60_000 }, 50).validMs).toBe(100);
    expect(leaseRule({ ...CONFIG, windowMs: 10 }, 50).validMs).toBe(2);
  });

  it('gives small limits nothing in advance, and waits no longer than the store is waited for', () => {
    const small = leaseRule({ ...CONFIG, limit: 199, windowMs: 60_000 }, 30);
    expect(small).toMatchObject({ isLeased: false, validMs: 30 });
    expect(leaseRule({ ...CONFIG, cost: 10 }, 50)).toMatchObject({ admissions: 100, rest: 0 });
  });

  it('is short beside the time in which a bucket fills', () => {
    const bucket = { ...CONFIG, algorithm: 'tokenBucket', burst: 200 } as const;
    expect(leaseRule(bucket, 50)).toMatchObject({ validMs: 10, isLeased: true, unitsPerMs: 1 });
  });
});

describe('leaseRule where replies tell costs', () => {
  const bucket = { ...CONFIG, algorithm: 'tokenBucket', told: {} } as const;

  it('gives nothing in advance, and holds reserves as long as the bucket takes to fill', () => {
    const rule = leaseRule({ ...bucket, limit: 2000, burst: 2000, windowMs: 60_000, cost: 3 }, 50);
    expect(rule).toMatchObject({ isLeased: false, isTold: true, admissions: 666, rest: 0 });
    expect(rule).toMatchObject({ holdMs: 60_000, owedMs: 120_000, usedPerTake: 3 });
  });

  it('holds reserves for 10 s at least and 10 min at most', () => {
    expect(leaseRule(bucket, 50).holdMs).toBe(10_000);
    expect(leaseRule({ ...bucket, windowMs: 86_400_000 }, 50).holdMs).toBe(600_000);
  });

  it('believes a refusal for 0.1 s, and says how long it may last', () => {
    const lease = new LeaseState();
    lease.onRefused(leaseRule(bucket, 50), { waitMs: 900, resetMs: 900, sentMs: 100 }, 101);
    expect([lease.isRefused(200), lease.isRefused(201)]).toEqual([true, false]);
    expect(lease.retryAtMs).toBe(1001);
  });
});

describe('LeaseState', () => {
  const rule = leaseRule(CONFIG, 50);
  const given = { units: 2, wanted: 2, sentMs: 100, validMs: 50, left: 5, resetMs: 10 };

  it('admits what was given until its validity is over, counted from the ask', () => {
    const lease = new LeaseState();
    expect(lease.canAdmit(100)).toBe(false);
    lease.onGiven(rule, given, 120);
    expect(lease.canAdmit(149.9)).toBe(true);
    // A little before: the clocks may differ in speed.
    expect(lease.canAdmit(149.96)).toBe(false);
    lease.use(121);
    lease.use(121);
    expect(lease.canAdmit(122)).toBe(false);
    expect(lease.isRefused(122)).toBe(false);
  });

  it('asks for what the next validity will need', () => {
    const lease = new LeaseState();
    expect(lease.ask(rule, 1, 0)).toBe(1);
    for (let at = 0; at < 100; at += 1) lease.noteDemand();
    // 100 in 50 ms; half of it counts at first.
    expect(lease.ask(rule, 1, 50)).toBe(50);
    for (let at = 0; at < 100; at += 1) lease.noteDemand();
    expect(lease.ask(rule, 1, 100)).toBe(75);
    expect(lease.ask(rule, 90, 100)).toBe(90);
  });

  it('keeps a refusal until there may be room, and for half of a validity at least', () => {
    const lease = new LeaseState();
    lease.onRefused(rule, { waitMs: 1, resetMs: 1, sentMs: 100 }, 101);
    expect(lease.isRefused(124)).toBe(true);
    expect(lease.isRefused(125)).toBe(false);
    lease.onRefused(rule, { waitMs: 400, resetMs: 400, sentMs: 200 }, 201);
    expect(lease.isRefused(600)).toBe(true);
    expect(lease.retryAtMs).toBe(601);
  });

  it('makes less than it wanted last only where there was too little lately', () => {
    const scarce = { ...given, units: 1, wanted: 2 };
    const first = new LeaseState();
    first.onGiven(rule, scarce, 101);
    first.use(102);
    expect(first.isRefused(102)).toBe(false);
    const second = new LeaseState();
    second.onRefused(rule, { waitMs: 1, resetMs: 1, sentMs: 50 }, 51);
    second.onGiven(rule, scarce, 101);
    second.use(102);
    expect(second.isRefused(124)).toBe(true);
    expect(second.isRefused(125)).toBe(false);
  });

  it('forgets everything that goes by clocks that have become doubtful', () => {
    const lease = new LeaseState();
    lease.onGiven(rule, given, 101);
    lease.drop();
    expect(lease.canAdmit(101)).toBe(false);
    lease.onRefused(rule, { waitMs: 100, resetMs: 100, sentMs: 101 }, 101);
    lease.drop();
    expect(lease.isRefused(102)).toBe(false);
  });
});

describe('shareOf', () => {
  it('divides a limit, rounded down', () => {
    expect(shareOf(CONFIG, 3)).toEqual({ ...CONFIG, limit: 333, burst: 333 });
    expect(shareOf(CONFIG, 1)).toEqual(CONFIG);
  });

  it('is one admission in a longer time where it would be less than one', () => {
    expect(shareOf({ ...CONFIG, limit: 3, burst: 3 }, 5)).toMatchObject({
      limit: 1,
      windowMs: 1667,
    });
    expect(shareOf({ ...CONFIG, limit: 10, burst: 10, cost: 5 }, 4)).toMatchObject({
      limit: 5,
      windowMs: 2000,
    });
  });
});
