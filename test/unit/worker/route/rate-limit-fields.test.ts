import { describe, expect, it } from 'vitest';
import { policyFields, rateLimitField } from '../../../../src/worker/route/rate-limit-fields.js';
import { aLimiter } from '../../../support/coordinator-rig.js';

const LIMITS = [
  { name: 'users', limit: 10, windowMs: 60_000 },
  { name: 'burst', limit: 3, windowMs: 1500, algorithm: 'tokenBucket' as const },
  { name: 'open', limit: 4, windowMs: 0, algorithm: 'inFlight' as const },
  { name: 'watched', limit: 1, mode: 'shadow' as const },
].map(aLimiter);

describe('rate limit fields', () => {
  it('list all policies but those in shadow mode', () => {
    const { identified, anonymous, unknown } = policyFields(LIMITS);
    expect([anonymous, unknown]).toEqual([identified, identified]);
    expect(identified).toBe(
      '\r\nRateLimit-Policy: "users";q=10;w=60, "burst";q=3;w=2, ' +
        '"open";q=4;qu="concurrent-requests"',
    );
    expect(policyFields(LIMITS.slice(3)).identified).toBe('');
  });

  it('list the policies that count the caller', () => {
    const { identified, anonymous, unknown } = policyFields(
      [
        { name: 'all', limit: 9 },
        { name: 'guests', limit: 1, callers: 'anonymous' as const },
        { name: 'partners', limit: 5, callers: 'identified' as const },
      ].map(aLimiter),
    );
    expect(identified).toMatch(/Policy: "all";q=9;w=\d+, "partners";q=5;w=\d+$/);
    expect(anonymous).toMatch(/Policy: "all";q=9;w=\d+, "guests";q=1;w=\d+$/);
    expect(unknown).toMatch(/Policy: "all";q=9;w=\d+$/);
  });

  it('say what is left of one, with seconds rounded up and none where time changes nothing', () => {
    const [users, , open] = LIMITS;
    if (users === undefined || open === undefined) throw new Error('no limits');
    // From the coordinator, and under a grant a moment later.
    for (const ms of [60_001, 60_000.5])
      expect(rateLimitField(users, 7, ms)).toBe('\r\nRateLimit: "users";r=7;t=60');
    expect(rateLimitField(users, 7, 61_500)).toBe('\r\nRateLimit: "users";r=7;t=62');
    expect(rateLimitField(users, 7, 40_001)).toBe('\r\nRateLimit: "users";r=7;t=41');
    expect(rateLimitField(open, 0, 1000)).toBe('\r\nRateLimit: "open";r=0');
  });
});
