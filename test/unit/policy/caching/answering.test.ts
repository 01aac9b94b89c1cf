/**
 * What a stored reply answers, and how: one case for each side of a rule, with the section that says
 * so.
 */
import { describe, expect, it } from 'vitest';
import type { Moment } from '../../../../src/base/clock.js';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../../src/base/field-block.js';
import { parseHttpDate } from '../../../../src/base/http-date.js';
import {
  askedRanges,
  multipartBody,
  RANGES_MAX,
} from '../../../../src/policy/caching/byte-ranges.js';
import { parseCacheControl } from '../../../../src/policy/caching/cache-directives.js';
import { groupsOf } from '../../../../src/policy/caching/cache-groups.js';
import { forwardStatus, hitStatus } from '../../../../src/policy/caching/cache-status.js';
import {
  isAbout,
  isSameForRange,
  isUnmodified,
  validationFields,
} from '../../../../src/policy/caching/conditional.js';
import { invalidates, sameOriginTarget } from '../../../../src/policy/caching/invalidation.js';
import { freshLeftS, judgeReuse, mayServeOnError } from '../../../../src/policy/caching/reuse.js';
import { parseDictionary, parseList } from '../../../../src/policy/caching/structured-field.js';
import { updatedFields } from '../../../../src/policy/caching/update-fields.js';
import { fitsVariant } from '../../../../src/policy/caching/variant.js';

const NOW = Date.UTC(2026, 0, 10, 12, 0, 0);

/** [section, fresh s, stale while s, if error s, age s, what the client says, verdict] */
const REUSE = [
  ['9111 4.2', 60, 0, 0, 59, '', 'fresh'],
  ['9111 4.2', 60, 0, 0, 60, '', 'validate'],
  ['5861 3', 60, 30, 0, 60, '', 'stale'],
  ['5861 3', 60, 30, 0, 89, '', 'stale'],
  ['5861 3', 60, 30, 0, 90, '', 'validate'],
  ['9111 5.2.1.4', 60, 0, 0, 1, 'no-cache', 'validate'],
  ['9111 5.2.1.1', 60, 0, 0, 10, 'max-age=10', 'fresh'],
  ['9111 5.2.1.1', 60, 0, 0, 11, 'max-age=10', 'validate'],
  ['9111 5.2.1.1', 60, 0, 0, 1, 'max-age=0', 'validate'],
  ['9111 5.2.1.3', 60, 0, 0, 30, 'min-fresh=30', 'fresh'],
  ['9111 5.2.1.3', 60, 0, 0, 31, 'min-fresh=30', 'validate'],
  ['9111 5.2.1.3', 60, 30, 0, 61, 'min-fresh=1', 'validate'],
  ['9111 5.2.1.2', 60, 0, 9, 65, 'max-stale=5', 'fresh'],
  ['9111 5.2.1.2', 60, 0, 9, 66, 'max-stale=5', 'validate'],
  ['9111 5.2.1.2', 60, 0, 9, 6000, 'max-stale', 'fresh'],
  ['9111 4.2.4', 60, 0, 0, 61, 'max-stale', 'validate'],
] as const;

/** Of a reply that came at NOW, when the monotonic clock began. */
function momentAt(ms: number): Moment {
  return { nowMs: ms, unixMs: NOW + ms };
}

describe('a stored reply', () => {
  it.each(REUSE)('%s: fresh %i, while %i, error %i, age %i, %s', (...all) => {
    const [, freshS, whileS, errorS, ageS, asked, verdict] = all;
    const stored = {
      ...{ bornMs: -ageS * 1000, bornUnixMs: NOW - ageS * 1000 },
      freshMs: freshS * 1000,
      whileRevalidateMs: whileS * 1000,
      ifErrorMs: errorS * 1000,
      isAlwaysValidated: false,
    };
    const directives = asked === '' ? null : parseCacheControl(asked);
    expect(judgeReuse(stored, directives, momentAt(0))).toBe(verdict);
    expect(judgeReuse({ ...stored, isAlwaysValidated: true }, directives, momentAt(0))).toBe(
      'validate',
    );
  });

  it('5861 4: answers on errors within its time, and never where it needs validation', () => {
    const times = { freshMs: 1000, whileRevalidateMs: 0, ifErrorMs: 5000 };
    const usual = { bornMs: 0, bornUnixMs: NOW, ...times, isAlwaysValidated: false };
    expect(mayServeOnError(usual, momentAt(5999))).toBe(true);
    expect(mayServeOnError(usual, momentAt(6000))).toBe(false);
    expect(mayServeOnError({ ...usual, isAlwaysValidated: true }, momentAt(0))).toBe(false);
    expect([freshLeftS(usual, momentAt(0)), freshLeftS(usual, momentAt(3500))]).toEqual([1, -2]);
  });
});

const DATE = 'Sat, 10 Jan 2026 12:00:00 GMT';
const BEFORE = 'Sat, 10 Jan 2026 11:00:00 GMT';
const STORED = { etag: '"a"', lastModified: BEFORE, date: DATE };
const WEAK = { ...STORED, etag: 'W/"a"' };
const BARE = { etag: '', lastModified: '', date: DATE };

/** [section, If-None-Match, If-Modified-Since, stored, whether it is 304] */
const CONDITIONS = [
  ['9110 13.1.2', '"a"', '', STORED, true],
  ['9110 13.1.2', '"b"', '', STORED, false],
  ['9110 13.1.2', '"b", "a"', '', STORED, true],
  ['9110 13.1.2', '"b","a","c"', '', STORED, true],
  ['9110 13.1.2', 'W/"a"', '', STORED, true],
  ['9110 13.1.2', '"a"', '', WEAK, true],
  ['9110 13.1.2', '*', '', STORED, true],
  ['9110 13.1.2', '*', '', BARE, true],
  ['9110 13.1.2', '"a"', '', BARE, false],
  ['9110 8.8.3', 'a', '', STORED, false],
  ['9110 8.8.3', '"A"', '', STORED, false],
  ['9110 8.8.3', '"x,\\"a"', '', STORED, false],
  ['9110 13.2.2', '"b"', DATE, STORED, false],
  ['9110 13.2.2', '"a"', 'Sat, 10 Jan 2015 11:00:00 GMT', STORED, true],
  ['9110 13.1.3', '', BEFORE, STORED, true],
  ['9110 13.1.3', '', DATE, STORED, true],
  ['9110 13.1.3', '', 'Sat, 10 Jan 2026 10:59:59 GMT', STORED, false],
  ['9110 13.1.3', '', 'yesterday', STORED, false],
  ['9111 4.3.2', '', DATE, BARE, true],
  ['9111 4.3.2', '', BEFORE, BARE, false],
  ['9110 13.1', '', '', STORED, false],
] as const;

describe('a conditional request', () => {
  it.each(CONDITIONS)('%s: If-None-Match %s, If-Modified-Since %s', (...all) => {
    const [, ifNoneMatch, ifModifiedSince, stored, expected] = all;
    const asked = { ifNoneMatch, ifModifiedSince, ifRange: '' };
    expect(isUnmodified(asked, stored, NOW)).toBe(expected);
  });

  it('9111 4.3.1: asks by all that is known', () => {
    expect(validationFields(STORED)).toEqual(['if-none-match', '"a"', 'if-modified-since', BEFORE]);
    expect(validationFields(BARE)).toEqual([]);
  });

  it.each([
    ['9111 4.3.4', 'W/"a"', '', true],
    ['9111 4.3.4', '"b"', '', false],
    ['9111 4.3.4', '', BEFORE, true],
    ['9111 4.3.4', '', DATE, false],
    ['9111 4.3.4', '', '', true],
  ] as const)('%s: a 304 with %s, %s is about what is stored: %s', (_, etag, lastModified, is) => {
    expect(isAbout({ etag, lastModified, date: '' }, STORED)).toBe(is);
  });
});

/** [section, If-Range, stored, whether parts may be given] */
const IF_RANGE = [
  ['9110 13.1.5', '', STORED, true],
  ['9110 13.1.5', '"a"', STORED, true],
  ['9110 13.1.5', '"b"', STORED, false],
  ['9110 13.1.5', 'W/"a"', STORED, false],
  ['9110 13.1.5', 'W/"a"', WEAK, false],
  ['9110 13.1.5', BEFORE, STORED, true],
  ['9110 13.1.5', DATE, STORED, false],
  ['9110 8.8.2.2', BEFORE, { ...STORED, date: BEFORE }, false],
] as const;

describe('If-Range', () => {
  it.each(IF_RANGE)('%s: %s', (_section, ifRange, stored, expected) => {
    const asked = { ifNoneMatch: '', ifModifiedSince: '', ifRange };
    expect(isSameForRange(asked, stored, NOW)).toBe(expected);
  });
});

/** [section, Range, length, what is given] */
const RANGES = [
  ['9110 14.1.2', 'bytes=0-4', 10, [[0, 4]]],
  ['9110 14.1.2', 'bytes=5-', 10, [[5, 9]]],
  ['9110 14.1.2', 'bytes=-3', 10, [[7, 9]]],
  ['9110 14.1.2', 'bytes=-30', 10, [[0, 9]]],
  ['9110 14.1.2', 'bytes=5-99', 10, [[5, 9]]],
  ['9110 14.1.2', 'BYTES=0-0', 10, [[0, 0]]],
  [
    '9110 14.1.2',
    'bytes=0-0, 9-9',
    10,
    [
      [0, 0],
      [9, 9],
    ],
  ],
  ['9110 14.1.2', 'bytes=10-', 10, 'unsatisfiable'],
  ['9110 14.1.2', 'bytes=-0', 10, 'unsatisfiable'],
  ['9110 14.1.2', 'bytes=0-', 0, 'unsatisfiable'],
  ['9110 14.1.2', 'bytes=99-100, 0-0', 10, [[0, 0]]],
  ['9110 14.2', 'lines=1-2', 10, 'whole'],
  ['9110 14.2', 'bytes=4-2', 10, 'whole'],
  ['9110 14.2', 'bytes=', 10, 'whole'],
  ['9110 14.2', 'bytes=-', 10, 'whole'],
  ['9110 14.2', 'bytes=a-b', 10, 'whole'],
  ['9110 17.15', 'bytes=0-,0-,0-', 10, 'whole'],
  ['9110 17.15', `bytes=${'0-0,'.repeat(RANGES_MAX)}0-0`, 100, 'whole'],
] as const;

describe('a range', () => {
  it.each(RANGES)('%s: %s of %i', (_section, text, bytes, expected) => {
    expect(askedRanges(text, bytes)).toEqual(expected);
  });

  it('9110 14.6: several come as one body', () => {
    const place = { contentType: 'text/plain', boundary: 'b' };
    const body = multipartBody(
      Buffer.from('0123456789'),
      [
        [0, 1],
        [9, 9],
      ],
      place,
    );
    expect(body.toString()).toBe(
      '\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01' +
        '\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 9-9/10\r\n\r\n9\r\n--b--\r\n',
    );
  });
});

describe('a request and a variant', () => {
  it.each([
    ['', {}, true],
    ['accept:a', { accept: 'a' }, true],
    ['accept:a', { accept: 'b' }, false],
    ['accept:a', {}, false],
    ['accept:', {}, true],
    ['accept:', { accept: 'a' }, false],
    ['accept:a,b', { accept: ' a,  b' }, true],
    ['a:1\nb:2', { a: '1', b: '2' }, true],
    ['a:1\nb:2', { a: '1' }, false],
    ['a:x:y', { a: 'x:y' }, true],
  ] as const)('9111 4.1: %j and %j', (variant, request, expected) => {
    const fields: Readonly<Record<string, string>> = request;
    expect(fitsVariant(variant, { value: (name) => fields[name] ?? '' })).toBe(expected);
  });
});

function block(...pairs: readonly string[]): FieldBlock {
  let all = NO_FIELDS;
  for (let at = 0; at < pairs.length; at += 2) {
    all = joinFields(all, field(pairs[at] ?? '', pairs[at + 1] ?? ''));
  }
  return all;
}

describe('the fields of a 304', () => {
  it('9111 3.2: take the place of the stored ones', () => {
    const stored = block('ETag', '"a"', 'X-A', '1', 'X-A', '2', 'X-B', '3');
    expect(updatedFields(stored, block('x-a', '9'))).toBe(
      block('ETag', '"a"', 'X-B', '3', 'x-a', '9'),
    );
  });

  it('9111 3.2: say nothing of the stored body', () => {
    const stored = block('Content-Encoding', 'gzip');
    const said = block(
      'Content-Length',
      '5',
      'Content-Encoding',
      'br',
      'Content-Range',
      'bytes 0-1/2',
    );
    expect(updatedFields(stored, said)).toBe(stored);
  });
});

describe('invalidation', () => {
  it.each([
    ['POST', 200, true],
    ['PUT', 204, true],
    ['DELETE', 303, true],
    ['PATCH', 201, true],
    ['POST', 400, false],
    ['POST', 500, false],
    ['GET', 200, false],
    ['HEAD', 200, false],
    ['OPTIONS', 200, false],
  ] as const)('9111 4.4: by %s with %i: %s', (method, status, expected) => {
    expect(invalidates(method, status)).toBe(expected);
  });

  it.each([
    ['/b', '/b'],
    ['b?c', '/b?c'],
    ['http://host/b', '/b'],
    ['http://HOST:80/b', '/b'],
    ['https://host/b', null],
    ['http://other/b', null],
    ['', null],
    ['http://[', null],
  ] as const)('9111 4.4: %s of http://host/a is %s', (reference, expected) => {
    expect(sameOriginTarget(reference, 'http://host/a')).toBe(expected);
  });
});

describe('structured fields', () => {
  it.each([
    ['a=1', true],
    ['a, b=?0, c="x"', true],
    ['a=(1 "b";x=1);y', true],
    ['a=:AAE=:, b=@1, c=%"x"', true],
    ['', true],
    ['a=', false],
    ['A=1', false],
    ['a=1,', false],
    ['a=1 b', false],
    ['a="x', false],
    ['a=1.2345', false],
    ['a=&', false],
    ['a=(1', false],
  ] as const)('9651 4.2: %s is a dictionary: %s', (text, expected) => {
    expect(parseDictionary(text) !== null).toBe(expected);
  });

  it('9651 4.2.2: of one name the last member counts', () => {
    expect(parseDictionary('a=1, a=2')?.get('a')).toEqual({ kind: 'integer', number: 2 });
    expect(parseList('"a", b')).toEqual([
      { kind: 'string', text: 'a' },
      { kind: 'token', text: 'b' },
    ]);
  });

  it.each([
    ['"a", "b"', ['a', 'b']],
    ['"a";x=1', ['a']],
    ['a, "b", 1', ['b']],
    ['"a', []],
    [`"${'x'.repeat(65)}"`, []],
  ] as const)('9875 2: the groups of %s', (text, expected) => {
    expect(groupsOf(text)).toEqual(expected);
  });
});

describe('Cache-Status', () => {
  it.each([
    [hitStatus(5), 'sluice; hit; ttl=5'],
    [hitStatus(-5), 'sluice; hit; ttl=-5'],
    [hitStatus(-5, { isRevalidating: true }), 'sluice; hit; ttl=-5; detail=revalidating'],
    [hitStatus(5, { isCollapsed: true }), 'sluice; hit; ttl=5; collapsed'],
    [
      forwardStatus('uri-miss', { status: 200, isStored: true }),
      'sluice; fwd=uri-miss; fwd-status=200; stored',
    ],
    [forwardStatus('stale', { status: 304 }), 'sluice; fwd=stale; fwd-status=304'],
    [forwardStatus('method', {}), 'sluice; fwd=method'],
  ] as const)('9211 2: %j', (made, expected) => {
    expect(made).toBe(field('cache-status', expected));
  });
});

describe('a date', () => {
  it.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', true],
    ['Sunday, 06-Nov-94 08:49:37 GMT', true],
    ['Sun Nov  6 08:49:37 1994', true],
    ['SUN, 06 NOV 1994 08:49:37 gmt', true],
    ['Sun, 06 Nov 1994 08:49:37 UTC', false],
    ['Sun, 06 Nov 94 08:49:37 GMT', false],
    ['Sun 06 Nov 1994 08:49:37 GMT', false],
    ['Sun, 06  Nov  1994 08:49:37 GMT', false],
    ['Sun, 06-Nov-1994 08:49:37 GMT', false],
    ['Sun, 06 Nov 1994 08.49.37 GMT', false],
    ['Sun, 06 Nov 1994 8:49:37 GMT', false],
    ['Sun, 31 Feb 1994 08:49:37 GMT', false],
    ['Sun, 06 Nov 1994 24:49:37 GMT', false],
    ['0', false],
    ['', false],
  ] as const)('9110 5.6.7: %s: %s', (text, isDate) => {
    const expected = isDate ? Date.UTC(1994, 10, 6, 8, 49, 37) : Number.NaN;
    expect(parseHttpDate(text, NOW)).toBe(expected);
  });

  it('9110 5.6.7: two digits of a year are at most 50 years ahead', () => {
    const yearOf = (text: string) => new Date(parseHttpDate(text, NOW)).getUTCFullYear();
    expect(yearOf('Sunday, 06-Nov-76 08:49:37 GMT')).toBe(2076);
    expect(yearOf('Sunday, 06-Nov-77 08:49:37 GMT')).toBe(1977);
  });
});
