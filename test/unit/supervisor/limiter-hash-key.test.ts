import { describe, expect, it } from 'vitest';
import { hashKeyOf } from '../../../src/supervisor/limiter-hash-key.js';

describe('the key of the hash of limiter keys', () => {
  it('follows from its secret alone', () => {
    expect(hashKeyOf('one secret', null)).toEqual(hashKeyOf('one secret', null));
    expect(hashKeyOf('one secret', null)).not.toEqual(hashKeyOf('another secret', null));
    // It never changes: gateways of different versions must agree.
    expect(hashKeyOf('0123456789abcdef0123456789abcdef', null)).toEqual([
      1_982_371_153, 672_567_018,
    ]);
  });

  it('is another one each time without a secret', () => {
    const keys = Array.from({ length: 20 }, () => hashKeyOf('', null).join());
    expect(new Set(keys).size).toBe(20);
  });

  it('is the same for all gateways that share a store under one prefix', () => {
    const prefix = 'sluice:';
    expect(hashKeyOf('', { prefix })).toEqual(hashKeyOf('', { prefix }));
    expect(hashKeyOf('', { prefix })).not.toEqual(hashKeyOf('', { prefix: 'other:' }));
    expect(hashKeyOf('one secret', { prefix })).toEqual(hashKeyOf('one secret', null));
  });
});
