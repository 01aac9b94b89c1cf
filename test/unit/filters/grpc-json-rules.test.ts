/** Rules of google.api.http, as they are read of sets of descriptors, whole and broken. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readHttpRules } from '../../../src/filters/grpc-json/http-rules.js';

const SET = readFileSync(new URL('../../support/protos/library.binpb', import.meta.url));
const SERVICE = 'sluice.library.Library';

describe('the rules of a service', () => {
  it('are routes, a method with several rules having several', () => {
    const { rules, mistakes } = readHttpRules(SET, SERVICE, '');
    expect(mistakes).toEqual([]);
    expect(rules.map(({ method, httpMethod, path }) => `${method} ${httpMethod} ${path}`)).toEqual([
      'GetBook GET /v1/shelves/:p0/books/:p1',
      'GetBook GET /v1/books/:p0\\:title',
      'CreateBook POST /v1/shelves/:p0/books',
      'PutBook PUT /v1/books',
      'ListBooks GET /v1/shelves/:p0/books',
    ]);
    expect(rules[0]?.variables).toEqual([
      { field: 'name', parts: ['shelves', ':p0', 'books', ':p1'] },
    ]);
    expect(rules.map(({ isStream }) => isStream)).toEqual([false, false, false, false, true]);
  });

  it('may be those of one method', () => {
    expect(readHttpRules(SET, SERVICE, 'PutBook').rules).toHaveLength(1);
  });

  it('are missed where there are none', () => {
    expect(readHttpRules(SET, 'sluice.library.Other', '').mistakes).toEqual([
      'has no service sluice.library.Other',
    ]);
    expect(readHttpRules(SET, SERVICE, 'Upload').mistakes).toEqual([
      'has no google.api.http rule for Upload',
    ]);
  });

  it('say which imports are missing', () => {
    // The first file of the set is cut out: field 1 with a length of two bytes.
    const length = 3 + ((SET[1] ?? 0) & 0x7f) + (SET[2] ?? 0) * 128;
    const { mistakes } = readHttpRules(SET.subarray(length), SERVICE, '');
    expect(mistakes.join()).toMatch(/lacks .*\.proto, which .* imports/);
  });

  it('are never read of something else, and no cut runs on or throws anything else', () => {
    for (let end = 0; end < SET.length; end += 97) {
      try {
        readHttpRules(SET.subarray(0, end), SERVICE, '');
      } catch (error) {
        expect(String(error)).toBe('Error: is no set of descriptors');
      }
    }
  });
});
