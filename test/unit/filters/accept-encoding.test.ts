/** What a client gets by its Accept-Encoding (RFC 9110 section 12.5.3). */
import { describe, expect, it } from 'vitest';
import { negotiate } from '../../../src/filters/compression/accept-encoding.js';
import { codingOf, hasCoding } from '../../../src/filters/content-codings.js';

const ALL = ['zstd', 'br', 'gzip'] as const;

describe('Accept-Encoding', () => {
  it.each([
    ['gzip', 'gzip', true],
    ['GZIP', 'gzip', true],
    ['x-gzip', 'gzip', true],
    ['gzip, br', 'br', true],
    ['gzip, deflate, br, zstd', 'zstd', true],
    ['gzip;q=1, br;q=0.9', 'gzip', true],
    ['gzip ; q=0.5 , br ; q=0.500', 'br', true],
    ['br;q=0, gzip', 'gzip', true],
    ['*', 'zstd', true],
    ['*;q=0.1', 'zstd', true],
    ['gzip;q=0.3, *;q=0.1', 'gzip', true],
    ['zstd;q=0, *', 'br', true],
    ['identity, gzip', 'gzip', true],
    ['identity;q=0.5, gzip;q=0.4', null, true],
    ['identity;q=0.4, gzip;q=0.5', 'gzip', true],
    ['identity;q=0, gzip', 'gzip', false],
    ['gzip, *;q=0', 'gzip', false],
    ['*;q=0', null, false],
    ['identity, *;q=0', null, true],
    ['identity;q=0', null, false],
    ['deflate, compress', null, true],
    ['', null, true],
    [' , ,gzip', 'gzip', true],
    // A member that cannot be read is none.
    ['gzip;q=2', null, true],
    ['gzip;q=0.1234', null, true],
    ['gzip;q=-1', null, true],
    ['gzip;q', null, true],
    ['gzip;level=9', null, true],
    ['gzip;q=0.5;q=1', null, true],
    ['gzip;q=0.000', null, true],
    ['gzipped', null, true],
  ])('%j: %s', (text, coding, takesIdentity) => {
    expect(negotiate([text], ALL)).toEqual({ coding, takesIdentity });
  });

  it('without the field gets nothing that it may not be able to decode', () => {
    expect(negotiate([], ALL)).toEqual({ coding: null, takesIdentity: true });
  });

  it('may stand in several lines', () => {
    expect(negotiate(['br;q=0.1', 'gzip;q=0.2'], ALL).coding).toBe('gzip');
  });

  it('chooses in the order of the route among codings that are liked alike', () => {
    expect(negotiate(['zstd, br, gzip'], ['gzip', 'br']).coding).toBe('gzip');
    expect(negotiate(['zstd'], ['gzip', 'br']).coding).toBeNull();
  });

  it('is read as far as a client would ever write it', () => {
    const long = `${'a,'.repeat(10_000)}gzip`;
    expect(negotiate([long], ALL).coding).toBeNull();
  });
});

describe('Content-Encoding', () => {
  it.each([
    [[], null],
    [[''], null],
    [['identity'], null],
    [['Identity, '], null],
    [['gzip'], 'gzip'],
    [['X-GZIP'], 'gzip'],
    [['identity', 'br'], 'br'],
    [['gzip, br'], 'unknown'],
    [['gzip', 'gzip'], 'unknown'],
    [['deflate'], 'unknown'],
    [['zstd'], hasCoding('zstd') ? 'zstd' : 'unknown'],
  ])('%j: %s', (values, coding) => {
    expect(codingOf(values)).toBe(coding);
  });
});
