import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../../src/base/buffer-pool.js';

describe('a pool of buffers', () => {
  it('copies, and uses memory again once it was released, also by a part of it', () => {
    const pool = new BufferPool(8, 2);
    const source = Buffer.from('abcdefg');
    const first = pool.copyOf(source);
    source.fill(0);
    expect(first.toString()).toBe('abcdefg');
    const second = pool.copyOf(Buffer.from('ABCDEFGH'));
    expect(second.buffer).not.toBe(first.buffer);
    pool.release(first.subarray(3));
    expect(pool.copyOf(Buffer.from('12345')).buffer).toBe(first.buffer);
    expect(second.toString()).toBe('ABCDEFGH');
  });

  it.each([0, 1, 3, 9])('keeps nothing of a piece of %i bytes', (bytes) => {
    const pool = new BufferPool(8, 2);
    const copy = pool.copyOf(Buffer.alloc(bytes, 'x'));
    expect(copy).toEqual(Buffer.alloc(bytes, 'x'));
    pool.release(copy);
    expect(pool.copyOf(Buffer.alloc(8)).buffer).not.toBe(copy.buffer);
  });

  it('keeps no more than it may', () => {
    const pool = new BufferPool(8, 1);
    const [first, second] = [pool.copyOf(Buffer.alloc(8)), pool.copyOf(Buffer.alloc(8))];
    pool.release(first);
    pool.release(second);
    const again = [pool.copyOf(Buffer.alloc(8)), pool.copyOf(Buffer.alloc(8))];
    expect(again.filter(({ buffer }) => buffer === first.buffer)).toHaveLength(1);
    expect(again.filter(({ buffer }) => buffer === second.buffer)).toHaveLength(0);
  });
});
