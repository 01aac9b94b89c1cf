import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeSlashes,
  normalizePath,
  parameterReadings,
  sentSpelling,
  slashReadings,
} from '../../../src/routing/normalize-path.js';

const REFUSED = '';

describe('a path', () => {
  it.each([
    '/',
    '/a',
    '/a/',
    '/a/b.c/d..e/f.',
    '/.../a',
    '/a/..b',
    '/a/.b',
    '/.well-known/x',
    "/ax=1/b!$&'()*+,=:@",
    '/%20/%C3%A9',
    '/a%25',
  ])('stays as it is: %s', (path) => {
    expect(normalizePath(path)).toBe(path);
  });

  it('may hold parameters where they are not refused', () => {
    expect(normalizePath("/a;x=1/b!$&'")).toBe("/a;x=1/b!$&'");
    expect(normalizePath('/%3b%3B', 'allow')).toBe('/%3B%3B');
    for (const path of ['/..;/a', '/a/..%3bx', '/a/.%3B']) {
      expect(normalizePath(path)).toBe(REFUSED);
    }
    for (const path of ['/a;x', '/a%3bx', '/;', '/a/%3B/b']) {
      expect(normalizePath(path, 'refuse')).toBe(REFUSED);
    }
  });

  it.each([
    ['/%61%41%30%2d%2D%5f%7e%2E', '/aA0--_~.'],
    ['/a%2f%62'.replace('%2f', '/'), '/a/b'],
    ['/%c3%a9', '/%C3%A9'],
    ['/%20x', '/%20x'],
    ['//', '/'],
    ['///a//b///', '/a/b/'],
    ['/.', '/'],
    ['/./', '/'],
    ['/..', '/'],
    ['/../..', '/'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/b/../', '/a/'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/../a', '/a'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/.%2E/b', '/b'],
    ['/a/%2e/b', '/a/b'],
    ['/a/..//b', '/b'],
    ['//../b', '/b'],
    ['/a/.//./b/', '/a/b/'],
    ['/%2f', '/%2F'],
    ['/a%2fb%5cc', '/a%2Fb%5Cc'],
    ['/a%2F%2fb', '/a%2F%2Fb'],
    // What stands behind a doubly encoded dot is a name, not a dot segment.
    ['/a/%252e%252e/b', '/a/%252e%252e/b'],
    ['/%2541', '/%2541'],
  ])('has one spelling: %s is %s', (path, normal) => {
    expect(normalizePath(path)).toBe(normal);
  });

  it.each([
    '/a//../b',
    '/a/b//../../c',
    '/a%2f..',
    '/x/a%2fb/..',
    '/..%5ca',
    '/a/%2e%2e%2fb',
    '/a/x%2f.;y',
    '/a%5C.%2Fb',
    '/%00',
    '/a%0d%0ab',
    '/%1f',
    '/%7f',
    '/%7F',
    '/%',
    '/%a',
    '/%zz',
    '/a%2',
    '/%g0',
    '/%0g',
    '/%-1',
    '/..;/',
    '/..;x/a',
    '/a/..;/b',
    '/a/.;/b',
    '/a/.;x',
    '/a/%2e%2e;/b',
    '/a/..%2fb',
    '/..%00/',
  ])('is refused where it can be read in two ways: %s', (path) => {
    expect(normalizePath(path)).toBe(REFUSED);
  });
});

const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('/', '//', '.', '..', '%2e', '%2E', '%61', 'a', ';') },
  { weight: 3, arbitrary: fc.constantFrom('%25', '%2f', '%5c', '%C3', '%3b', '%', '2e', '%7e') },
  { weight: 2, arbitrary: fc.string({ unit: fc.constantFrom(...'aZ0-_~!$&()*+,=:@[]%.;/') }) },
);
const paths = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);

describe('normalisation', () => {
  it('is idempotent, and leaves nothing that could be read as another path', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const normal = normalizePath(path);
        if (normal === REFUSED) return;
        expect(normalizePath(normal)).toBe(normal);
        expect(normal).toMatch(/^\//);
        expect(normal).not.toContain('//');
        for (const segment of normal.split('/')) {
          expect(segment).not.toMatch(/^\.{1,2}(?:;.*)?$/);
        }
        for (const [, hex = ''] of normal.matchAll(/%(.{0,2})/g)) {
          expect(hex).toMatch(/^[0-9A-F]{2}$/);
          const char = String.fromCharCode(Number.parseInt(hex, 16));
          expect(char).not.toMatch(/[A-Za-z0-9._~-]/);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('finds the path that a URL parser finds, where that one reads escapes alike', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const normal = normalizePath(path);
        // The parser keeps empty segments, so that dot segments behind them remove them instead.
        if (normal === REFUSED || path.includes('//')) return;
        const url = new URL(normal, 'http://a');
        expect(url.pathname).toBe(normal);
        const parsed = new URL(path, 'http://a').pathname;
        expect(normalizePath(parsed)).toBe(normal);
      }),
      { numRuns: 2000 },
    );
  });
});

/** How targets read a path that decode it, with encoded slashes or without. */
function readings(path: string): string[] {
  const decoded = decode(path);
  return [/(?!)/, /%2f|%5c/gi, /%2f/gi, /%5c/gi].map((encoded) =>
    resolve(decoded.replace(encoded, '/').toUpperCase()),
  );
}

function decode(path: string): string {
  return path.replace(/%(?!2f|5c)([0-9a-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function resolve(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return kept.join('/');
}

describe('the spelling that the target gets', () => {
  it.each([
    ['/a//b', '/a//b'],
    ['/signed/%7Euser', '/signed/%7Euser'],
    ['/fetch/https://img.example/a.png', '/fetch/https://img.example/a.png'],
    ['/@scope%2fpackage', '/@scope%2fpackage'],
    ['//host/a//b', '/host/a//b'],
    ['///', '/'],
    ['/%61//../a', ''],
    ['/a/./b//c', '/a/b/c'],
    ['/a/%2E%2e/%62', '/b'],
  ])('of %s is %s', (path, sent) => {
    const normal = normalizePath(path);
    expect(normal === REFUSED ? '' : sentSpelling(path, normal)).toBe(sent);
  });

  it('has no reading that the routed path does not have', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const normal = normalizePath(path);
        if (normal === REFUSED) return;
        const sent = sentSpelling(path, normal);
        expect(sent).toMatch(/^\/(?!\/)/);
        expect(normalizePath(sent)).toBe(normal);
        const known = [normal, ...slashReadings(normal)].flatMap(readings);
        for (const reading of readings(sent)) expect(known).toContain(reading);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a parameter of a path', () => {
  it('is cut off: in its segment, or with all that follows, raw ones alone or encoded ones too', () => {
    expect(parameterReadings('/a;x/b%3By')).toEqual(['/a/b%3By', '/a/b', '/a']);
    expect(parameterReadings('/;x')).toEqual(['/']);
    expect(parameterReadings('/a')).toEqual([]);
  });

  it('is cut off in each reading of the slashes', () => {
    expect(parameterReadings('/a%2Fb;x')).toEqual(['/a%2Fb', '/a/b']);
    expect(parameterReadings('/a;x%2Fb')).toEqual(['/a', '/a/b']);
  });
});

describe('an encoded slash', () => {
  it('is read as a slash of either kind, or of both', () => {
    expect(slashReadings('/a%2Fb%5Cc/d')).toEqual(['/a/b/c/d', '/a/b%5Cc/d', '/a%2Fb/c/d']);
    expect(slashReadings('/a%2F%2Fb%2F')).toEqual(['/a/b/']);
    expect(slashReadings('/a%252Fb')).toEqual([]);
    expect(decodeSlashes('/%2Fa%5C')).toBe('/a/');
  });
});
