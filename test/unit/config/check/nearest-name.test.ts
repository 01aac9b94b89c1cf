import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  editDistance,
  nearestName,
  suggestName,
} from '../../../../src/config/check/nearest-name.js';

describe('nearestName', () => {
  it.each([
    ['windw', 'window'],
    ['widnow', 'window'],
    ['WINDOW', 'window'],
    ['limits', 'limit'],
    ['algoritm', 'algorithm'],
  ])('takes %s for %s', (name, meant) => {
    expect(nearestName(name, ['limit', 'window', 'algorithm', 'burst', 'key'])).toBe(meant);
  });

  it('finds nothing where nothing is near', () => {
    expect(nearestName('healthCheck', ['targets', 'timeouts'])).toBeUndefined();
    expect(nearestName('', ['a'])).toBeUndefined();
    expect(nearestName('x', [])).toBeUndefined();
  });

  it('does not compare names that are too long', () => {
    const long = 'a'.repeat(65);
    expect(nearestName(long, [long])).toBeUndefined();
    expect(nearestName('a'.repeat(64), [long, 'a'.repeat(63)])).toBe('a'.repeat(63));
  });

  it('prefers the closest, and the first of equals', () => {
    expect(nearestName('user', ['usher', 'users', 'user2'])).toBe('usher');
    expect(nearestName('users', ['user', 'users'])).toBe('users');
  });
});

describe('suggestName', () => {
  it('asks, lists, or says that there is none', () => {
    expect(suggestName('prot', ['host', 'port'], 'key')).toBe(', did you mean "port"?');
    expect(suggestName('zzzz', ['host', 'port'], 'key')).toBe('; known: host, port');
    expect(suggestName('zzzz', [], 'upstream')).toBe('; there is no upstream');
  });
});

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', 'abc', 0],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
  ])('between %j and %j is %d', (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance);
  });

  it('is symmetric, zero only for equals, and bounded by the longer name', () => {
    const name = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(name, name, (left, right) => {
        const distance = editDistance(left, right);
        expect(editDistance(right, left)).toBe(distance);
        expect(distance === 0).toBe(left === right);
        expect(distance).toBeLessThanOrEqual(Math.max(left.length, right.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(left.length - right.length));
      }),
    );
  });
});
