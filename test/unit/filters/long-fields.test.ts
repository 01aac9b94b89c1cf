/**
 * Fields by which a stranger could hold a worker: each would take minutes where an expression
 * begins anew at each of its characters.
 */
import { expect, it } from 'vitest';
import { parseDictionary } from '../../../src/filters/authentication/http-signature/structured-fields.js';
import { parseContentType } from '../../../src/filters/collected-body.js';
import { versionChooser } from '../../../src/filters/versioning/version-choice.js';
import { isUnmodified } from '../../../src/policy/caching/conditional.js';
import { aRequest } from '../../support/filter-request.js';

const MANY = 100_000;

it('a signature with blanks', () => {
  const blanks = ' '.repeat(4000);
  expect(parseDictionary([`x${blanks}y`])).toBeUndefined();
  expect(parseDictionary([`${blanks}x${blanks}`])?.size).toBe(1);
});

it('a type with blanks', () => {
  const type = `application/json; charset=${' '.repeat(MANY)}x y`;
  expect(parseContentType(type)).toEqual({ mediaType: 'application/json', charset: '' });
  expect(parseContentType('a/b; Charset = "UTF-8" ').charset).toBe('utf-8');
});

it('a list of entity tags with commas', () => {
  const asked = { ifNoneMatch: `a${','.repeat(MANY)}"b"`, ifModifiedSince: '', ifRange: '' };
  const stored = { etag: '"b"', lastModified: '', date: '' };
  expect(isUnmodified(asked, stored, 0)).toBe(true);
  expect(isUnmodified(asked, { ...stored, etag: '"c"' }, 0)).toBe(false);
});

it.each([
  ['application/vnd.shop.v2+json', 2],
  ['a/x.v.v2', -1],
  ['a/.v2', -1],
  ['a/x.v2.v1', -1],
  ['a/x.v', -1],
  [`a/x${'.v'.repeat(MANY)}!`, -1],
])('a media type: %.30s', (accept, expected) => {
  const choose = versionChooser({ by: 'mediaType', header: '', default: '9' });
  const chosen = choose(aRequest({ headers: [['accept', accept]] }), new Map([['2', 2]]));
  expect(typeof chosen === 'number' ? chosen : -1).toBe(expected);
});
