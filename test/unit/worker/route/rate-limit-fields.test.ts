import { describe, expect, it } from 'vitest';
import { policyField, rateLimitField } from '../../../../src/worker/route/rate-limit-fields.js';
import { aLimiter } from '../../../support/coordinator-rig.js';

const LIMITS = [
  { name: 'users', limit: 10, windowMs: 60_000 },
  { name: 'burst', limit: 3, windowMs: 1500, algorithm: 'tokenBucket' as const },
  { name: 'open', limit: 4, windowMs: 0, algorithm: 'inFlight' as const },
  { name: 'watched', limit: 1, mode: 'shadow' as const },
].map(aLimiter);

describe('rate limit fields', () => {
  it('list all policies but those in shadow mode', () => {
    expect(policyField(LIMITS)).toBe(
      '\r\nRateLimit-Policy: "users";q=10;w=60, "burst";q=3;w=2, ' +
        '"open";q=4;qu="concurrent-requests"',
    );
    expect(policyField(LIMITS.slice(3))).toBe('');
  });

  it('say what is left of one, with seconds rounded up and none where time changes nothing', () => {
    const [users, , open] = LIMITS;
    if (users === undefined || open === undefined) throw new Error('no limits');
    expect(rateLimitField(users, 7, 40_001)).toBe('\r\nRateLimit: "users";r=7;t=41');
    expect(rateLimitField(open, 0, 1000)).toBe('\r\nRateLimit: "open";r=0');
  });
});
