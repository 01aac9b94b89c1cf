import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestIdSource } from '../../../src/base/request-id.js';

const latin1 = fc.nat(255).map((code) => String.fromCharCode(code));

describe('request id', () => {
  it('is new each time, under the prefix of its thread', () => {
    const source = new RequestIdSource('0123456789ab');
    expect(source.next()).toBe('0123456789ab-00000001');
    expect(source.next()).toBe('0123456789ab-00000002');
  });

  it.each(['a', 'Z', '0', 'req-1', 'a_b.c:d/e+f=g', 'x'.repeat(128)])('keeps %s', (id) => {
    expect(new RequestIdSource('p').keepOrMake(id)).toBe(id);
  });

  it.each([
    '',
    'x'.repeat(129),
    'a b',
    'a,b',
    'a;b',
    'a"b',
    "a'b",
    'a\\b',
    'a\tb',
    'a\r\nX: 1',
    'a\0',
    'a\x7f',
    'a\u00e9',
    'a\u212a',
    '<a>',
    '{a}',
    'a@b',
    'a[b',
    'a`b',
    'a*',
    'a%0d',
  ])('makes a new one for %j', (id) => {
    expect(new RequestIdSource('p').keepOrMake(id)).toBe('p-00000001');
  });

  it('keeps exactly what is 1 to 128 of its characters', () => {
    const source = new RequestIdSource('made');
    fc.assert(
      fc.property(fc.string({ unit: latin1, maxLength: 140 }), (id) => {
        const isKept = source.keepOrMake(id) === id;
        expect(isKept).toBe(/^[A-Za-z0-9_.:/+=-]{1,128}$/.test(id) && !id.endsWith('\n'));
      }),
    );
  });
});
