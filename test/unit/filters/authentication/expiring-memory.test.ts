import { describe, expect, it } from 'vitest';
import { ExpiringMemory } from '../../../../src/filters/authentication/expiring-memory.js';

describe('a memory whose values expire', () => {
  it('knows a value until its time, and forgets its weight with it', () => {
    const memory = new ExpiringMemory<string>(10, 10);
    memory.set('a', 'A', { expiresAt: 5, weight: 10 });
    expect(memory.get('a', 4.9)).toBe('A');
    expect(memory.get('a', 5)).toBeUndefined();
    memory.set('b', 'B', { expiresAt: 9, weight: 10 });
    expect(memory.get('b', 6)).toBe('B');
  });

  it('drops the oldest values when there are too many', () => {
    const memory = new ExpiringMemory<string>(2);
    for (const key of ['a', 'b', 'c']) memory.set(key, key, { expiresAt: 9 });
    expect(['a', 'b', 'c'].map((key) => memory.get(key, 0))).toEqual([undefined, 'b', 'c']);
  });

  it('drops as many of the oldest as a heavy value needs, and no more', () => {
    const memory = new ExpiringMemory<string>(100, 10);
    for (const key of ['a', 'b', 'c']) memory.set(key, key, { expiresAt: 9, weight: 3 });
    memory.set('d', 'd', { expiresAt: 9, weight: 1 });
    expect(memory.size).toBe(4);
    memory.set('e', 'e', { expiresAt: 9, weight: 6 });
    expect(['a', 'b', 'c', 'd', 'e'].map((key) => memory.get(key, 0) ?? '')).toEqual([
      '',
      '',
      'c',
      'd',
      'e',
    ]);
  });

  it('keeps a value of the whole weight, and leaves out a heavier one', () => {
    const memory = new ExpiringMemory<string>(100, 10);
    memory.set('whole', 'x', { expiresAt: 9, weight: 10 });
    memory.set('more', 'x', { expiresAt: 9, weight: 11 });
    expect([memory.get('whole', 0), memory.get('more', 0)]).toEqual(['x', undefined]);
  });

  it('counts a value that is set again once', () => {
    const memory = new ExpiringMemory<string>(100, 10);
    for (let time = 0; time < 5; time += 1) memory.set('a', 'x', { expiresAt: 9, weight: 6 });
    memory.set('b', 'x', { expiresAt: 9, weight: 4 });
    expect(memory.size).toBe(2);
    memory.clear();
    memory.set('c', 'x', { expiresAt: 9, weight: 10 });
    expect(memory.get('c', 0)).toBe('x');
  });
});
