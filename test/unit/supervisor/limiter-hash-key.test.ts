import { describe, expect, it } from 'vitest';
import { hashKeyOf } from '../../../src/supervisor/limiter-hash-key.js';

describe('the key of the hash of limiter keys', () => {
  it('follows from its secret alone', () => {
    expect(hashKeyOf('one secret')).toEqual(hashKeyOf('one secret'));
    expect(hashKeyOf('one secret')).not.toEqual(hashKeyOf('another secret'));
    // It never changes: gateways of different versions must agree.
    expect(hashKeyOf('0123456789abcdef0123456789abcdef')).toEqual([1_982_371_153, 672_567_018]);
  });

  it('is another one each time without a secret', () => {
    const keys = Array.from({ length: 20 }, () => hashKeyOf('').join());
    expect(new Set(keys).size).toBe(20);
  });
});
