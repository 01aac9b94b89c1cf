/** Which part of a query belongs to the key of a stored reply. */
import { describe, expect, it } from 'vitest';
import { keptQuery } from '../../../../src/worker/cache/kept-query.js';

describe('the part of a query that counts', () => {
  it.each([
    ['?a=1&b=2', 'all', '?a=1&b=2'],
    ['?a=1&b=2', 'none', ''],
    ['', ['a'], ''],
    ['?b=2&a=1&c', ['a', 'c'], '?a=1&c'],
    ['?b=2', ['a'], ''],
  ] as const)('%s by %j is %s', (query, rule, kept) => {
    expect(keptQuery(query, rule)).toBe(kept);
  });

  it.each([
    '%61=2',
    'A=2',
    'a[]=2',
    'a%5b0%5d=2',
    '+a=2',
    'a%00x=2',
    'b=1;a=2',
    'b;a=2',
    '%zz=2',
    'b%3ba=2',
  ])('has %s, which some target may take for a', (part) => {
    expect(keptQuery(`?a=1&${part}`, ['a'])).toBe(`?a=1&${part}`);
  });
});
