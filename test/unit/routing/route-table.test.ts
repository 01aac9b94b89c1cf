import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HTTP_METHODS } from '../../../src/base/http-method.js';
import {
  hasOtherReadings,
  normalizePath,
  sentSpelling,
} from '../../../src/routing/normalize-path.js';
import {
  METHOD_NOT_ALLOWED,
  ROUTE_NOT_FOUND,
  type RouteTable,
} from '../../../src/routing/route-table.js';
import { type FoundPlace, PathReadings } from '../../../src/worker/request/path-readings.js';
import { aCompiledRoute } from '../../support/compiled-route.js';
import { routeTableOf } from '../../support/route-table.js';
import { describeWithData, sharedLines } from '../../support/shared-data.js';

/** Routes from `path` or `METHOD,METHOD path`, by their place in the list. */
function tableOf(...routes: string[]): RouteTable {
  return routeTableOf(
    routes.map((route, index) => {
      const [first = '', path] = route.split(' ');
      return path === undefined
        ? { index, path: first, methods: [] }
        : { index, path, methods: first.split(',') };
    }),
  );
}

describe('a route', () => {
  it('takes its own path only, letter by letter', () => {
    const table = tableOf('/api/users');
    expect(table.find('GET', '/api/users')).toBe(0);
    for (const path of ['/api/user', '/api/userss', '/api/users/', '/API/users', '/api', '/']) {
      expect(table.find('GET', path)).toBe(ROUTE_NOT_FOUND);
    }
  });

  it('with a parameter takes one segment, which is never empty', () => {
    const table = tableOf('/users/:id', '/users/:id/posts');
    expect(table.find('GET', '/users/7')).toBe(0);
    expect(table.find('GET', `/users/${'x'.repeat(8000)}`)).toBe(0);
    expect(table.find('GET', '/users/a%20b')).toBe(0);
    expect(table.find('GET', '/users/7/posts')).toBe(1);
    expect(table.find('GET', '/users/')).toBe(ROUTE_NOT_FOUND);
    expect(tableOf('/users/:id', '/users/*').find('GET', '/users/')).toBe(1);
    expect(tableOf('/:a/:b', '/:a/').find('GET', '/users/')).toBe(1);
    expect(table.find('GET', '/users')).toBe(ROUTE_NOT_FOUND);
    expect(table.find('GET', '/users/7/')).toBe(ROUTE_NOT_FOUND);
    expect(table.find('GET', '/users/7/likes')).toBe(ROUTE_NOT_FOUND);
  });

  it('with a star takes everything below, and the prefix itself', () => {
    const table = tableOf('/api/*');
    for (const path of ['/api', '/api/', '/api/a', '/api/a/b/', '/api/%25', '/api/a;b']) {
      expect(table.find('GET', path)).toBe(0);
    }
    for (const path of ['/apis', '/ap', '/', '/API/a']) {
      expect(table.find('GET', path)).toBe(ROUTE_NOT_FOUND);
    }
  });

  it('that names the bare prefix keeps it, wherever it stands in the list', () => {
    expect(tableOf('/api/*', '/api').find('GET', '/api')).toBe(1);
    expect(tableOf('/api', '/api/*').find('GET', '/api')).toBe(0);
    const split = tableOf('/api/*', 'POST /api');
    expect(split.find('POST', '/api')).toBe(1);
    expect(split.find('GET', '/api')).toBe(0);
  });

  it('of the more exact path comes first', () => {
    const table = tableOf('/*', '/a/*', '/a/:x', '/a/b');
    expect(table.find('GET', '/a/b')).toBe(3);
    expect(table.find('GET', '/a/c')).toBe(2);
    expect(table.find('GET', '/a/c/d')).toBe(1);
    expect(table.find('GET', '/b')).toBe(0);
    expect(table.find('GET', '/')).toBe(0);
  });

  it('without methods takes all of them; GET brings HEAD', () => {
    const table = tableOf('/all', 'GET /get', 'POST,PUT /write');
    for (const method of HTTP_METHODS) expect(table.find(method, '/all')).toBe(0);
    expect(table.find('HEAD', '/get')).toBe(1);
    expect(table.find('POST', '/get')).toBe(METHOD_NOT_ALLOWED);
    expect(table.find('GET', '/write')).toBe(METHOD_NOT_ALLOWED);
    expect(table.allowedMethods('/get')).toEqual(['GET', 'HEAD']);
    expect(table.allowedMethods('/write')).toEqual(['POST', 'PUT']);
    expect(table.allowedMethods('/none')).toEqual([]);
  });

  it('keeps its HEAD when another one takes it for GET', () => {
    const table = tableOf('HEAD /x', 'GET /x');
    expect(table.find('HEAD', '/x')).toBe(0);
    expect(table.find('GET', '/x')).toBe(1);
  });

  it('that is guarded owns its path with a slash and in every method', () => {
    const table = routeTableOf([
      { index: 0, path: '/*', methods: [] },
      { index: 1, path: '/admin', methods: ['GET'], isGuarded: true },
      { index: 2, path: '/files/*', methods: ['PUT'], isGuarded: true },
      { index: 3, path: '/keys/:id', methods: [], isGuarded: true },
    ]);
    expect(table.find('GET', '/admin')).toBe(1);
    expect(table.find('GET', '/admin/')).toBe(1);
    expect(table.find('POST', '/admin')).toBe(METHOD_NOT_ALLOWED);
    expect(table.find('DELETE', '/admin/')).toBe(METHOD_NOT_ALLOWED);
    expect(table.allowedMethods('/admin')).toEqual(['GET', 'HEAD']);
    expect(table.find('GET', '/admin/x')).toBe(0);
    for (const path of ['/files', '/files/', '/files/a/b']) {
      expect(table.find('PUT', path)).toBe(2);
      expect(table.find('GET', path)).toBe(METHOD_NOT_ALLOWED);
    }
    expect(table.find('GET', '/keys/7/')).toBe(3);
    expect(table.find('GET', '/keys/')).toBe(0);
    expect(table.find('GET', '/other')).toBe(0);
  });

  it('that is guarded leaves to others the paths and methods that they name', () => {
    const table = routeTableOf([
      { index: 0, path: '/admin', methods: ['GET'], isGuarded: true },
      { index: 1, path: '/admin/', methods: [] },
      { index: 2, path: '/admin', methods: ['POST'] },
      { index: 3, path: '/items/:id', methods: ['GET'], isGuarded: true },
      { index: 4, path: '/items/:key', methods: ['POST'] },
    ]);
    expect(table.find('GET', '/admin/')).toBe(1);
    expect(table.find('POST', '/admin')).toBe(2);
    expect(table.find('PUT', '/admin')).toBe(METHOD_NOT_ALLOWED);
    expect(table.find('POST', '/items/7')).toBe(4);
    expect(table.find('GET', '/items/7')).toBe(3);
  });

  it('that is guarded may take every path', () => {
    const table = routeTableOf([
      { index: 0, path: '/*', methods: ['GET'], isGuarded: true },
      { index: 1, path: '/open', methods: [] },
    ]);
    expect(table.find('GET', '/')).toBe(0);
    expect(table.find('GET', '/a/b')).toBe(0);
    expect(table.find('POST', '/a/b')).toBe(METHOD_NOT_ALLOWED);
    expect(table.find('POST', '/open')).toBe(1);
  });

  it('takes its literal delimiters encoded as well', () => {
    const table = tableOf('/*', '/a$b', "/it's", '/x=1,2');
    expect(table.find('GET', '/a%24b')).toBe(1);
    expect(table.find('GET', '/it%27s')).toBe(2);
    expect(table.find('GET', '/x%3D1%2C2')).toBe(3);
    expect(table.find('GET', '/a%25b')).toBe(0);
  });

  it('tells the parameters, decoded, and what a star took', () => {
    const table = tableOf('/users/:id/posts/:post', '/files/*');
    table.find('GET', '/users/a%20b/posts/7');
    expect(table.params).toEqual({ id: 'a b', post: '7' });
    table.find('GET', '/files/x/y');
    expect(table.params).toEqual({ '*': 'x/y' });
  });

  it('of one path in versions tells them all', () => {
    const table = routeTableOf([
      { index: 0, path: '/users', methods: [], version: '1' },
      { index: 1, path: '/users', methods: ['GET'], version: '2' },
      { index: 2, path: '/plain', methods: [] },
    ]);
    expect(table.find('GET', '/users')).toBe(0);
    expect(table.versions).toEqual(
      new Map([
        ['1', 0],
        ['2', 1],
      ]),
    );
    expect(table.find('POST', '/users')).toBe(0);
    expect(table.versions).toEqual(new Map([['1', 0]]));
    expect(table.find('GET', '/plain')).toBe(2);
    expect(table.versions).toBeNull();
  });

  it('is found, or not, for whatever path: nothing throws', () => {
    const table = tableOf('/*', '/a/:b', '/a/b/*');
    const chars = fc.constantFrom(...'ab/%.;:*?+()[]25Ee0Ff~ ');
    fc.assert(
      fc.property(fc.string({ unit: chars, maxLength: 30 }), (text) => {
        const found = table.find('GET', `/${text}`);
        expect([ROUTE_NOT_FOUND, 0, 1, 2]).toContain(found);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('methods beyond the usual ones', () => {
  const table = tableOf('/all', '* /star', 'PROPFIND,GET /dav/*', '*,TRACE /traced', 'LOCK /all');

  it('go to routes that name them, or take all', () => {
    expect(table.find('PROPFIND', '/dav/x')).toBe(2);
    expect(table.find('HEAD', '/dav/x')).toBe(2);
    expect(table.find('PROPFIND', '/star')).toBe(1);
    expect(table.find('BREW', '/star')).toBe(1);
    expect(table.find('GET', '/star')).toBe(1);
    expect(table.find('LOCK', '/all')).toBe(4);
    expect(table.find('QUERY', '/all')).toBe(0);
    expect(table.find('TRACE', '/traced')).toBe(3);
  });

  it.each([
    ['PROPFIND', '/all'],
    ['BREW', '/all'],
    ['LOCK', '/dav/x'],
    ['TRACE', '/star'],
    ['CONNECT', '/star'],
    ['CONNECT', '/traced'],
    ['get', '/star'],
    ['Propfind', '/dav/x'],
  ])('%s is not allowed on %s', (method, path) => {
    expect(table.find(method, path)).toBe(METHOD_NOT_ALLOWED);
    expect(table.find(method, '/nowhere')).toBe(ROUTE_NOT_FOUND);
  });

  it('are in Allow where they have names', () => {
    expect(table.allowedMethods('/dav/x')).toEqual(['GET', 'HEAD', 'PROPFIND']);
    expect(table.allowedMethods('/all')).toEqual([...HTTP_METHODS, 'LOCK']);
    expect(table.allowedMethods('/star')).toEqual([...HTTP_METHODS, 'PROPFIND', 'LOCK']);
  });

  it('do not pass a guarded route on their way to a wider one', () => {
    const guardedTable = routeTableOf([
      { index: 0, path: '/*', methods: ['*'] },
      { index: 1, path: '/admin', methods: ['GET'], isGuarded: true },
    ]);
    for (const method of ['BREW', 'PROPFIND', 'POST']) {
      expect(guardedTable.find(method, '/admin')).toBe(METHOD_NOT_ALLOWED);
      expect(guardedTable.find(method, '/admin/')).toBe(METHOD_NOT_ALLOWED);
      expect(guardedTable.find(method, '/other')).toBe(0);
    }
  });
});

const PUBLIC = 0;
const ADMIN = 1;
const guarded = tableOf('/*', '/admin/*');

/** The route that a raw path leads to; null: it is refused. */
function routeOf(path: string): number | null {
  const normal = normalizePath(path);
  if (normal === '') return null;
  const read = hasOtherReadings(normal) ? pathReadings.read(normal, placeOf) : normal;
  return read === '' ? null : guarded.find('GET', read);
}

const placeOf = (path: string): FoundPlace => {
  return { place: guarded.find('GET', path), isVersioned: false };
};
const pathReadings = new PathReadings(
  { at: (place) => ({ config: aCompiledRoute({ authenticators: place === ADMIN ? [0] : [] }) }) },
  { encodedSlash: '', merge: false },
);

/** Of a path, as a file system resolves it. */
function firstSegment(path: string): string | undefined {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  return kept[0];
}

describe('a protected path', () => {
  it.each([
    '/admin',
    '/admin/',
    '/admin/x',
    '//admin/x',
    '/./admin/x',
    '/public/../admin/x',
    '/public/%2e%2e/admin/x',
    '/%61dmin/x',
    '/%61%64%6d%69%6e',
    '/admin//x',
    '/admin/./x',
    '/admin/x/..',
    '/admin/x/../y',
    '/x/..//admin',
    '/../admin',
    '/.//admin/.',
    '/admin/%3f',
    '/admin/..x',
    // A name with a slash in it, below the protected path in each reading.
    '/admin/x%2fy',
  ])('is protected as %s', (path) => {
    expect(routeOf(path)).toBe(ADMIN);
  });

  it.each([
    '/admin%2fx',
    '/%2fadmin',
    '/%5cadmin',
    '/%2Fadmin%5Cx',
    '/admin%5Cx%2Fy',
    '/x/..%2fadmin',
    '/x%5c..%5cadmin',
    '/admin%00',
    '/x/..;/admin',
    '/x/.;/admin',
    '/admin/..;/',
    '/admin;x',
    '/admin;',
    '/;/admin',
    '/admin%3bx',
    '/%',
  ])('cannot be named at all by %s', (path) => {
    expect(routeOf(path)).toBeNull();
  });

  it('is never reached by a path that becomes it when its dots and slashes are resolved', () => {
    const piece = fc.constantFrom(
      ...['/', '.', '..', 'admin', '%61dmin', '%2e', 'x', '%2f', ';', '%3b', '%5c'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        const path = `/${pieces.join('')}`;
        // What targets make of it that decode once and resolve like a file system, some of which
        // cut parameters off, before or behind that.
        const decode = (text: string): string => decodeURIComponent(text).replaceAll('\\', '/');
        const cuts = [/(?!)/g, /;[^/]*/g, /;.*/g];
        const normal = normalizePath(path);
        const sent = normal === '' ? path : sentSpelling(path, normal);
        const seen = cuts.flatMap((cut) => [
          firstSegment(decode(sent).replace(cut, '')),
          firstSegment(decode(sent.replace(cut, ''))),
        ]);
        seen.push(firstSegment(decode(path)));
        if (seen.includes('admin')) expect(routeOf(path)).not.toBe(PUBLIC);
        // The path that goes on is the one that was routed.
        if (normal !== '') expect(routeOf(normal)).toBe(routeOf(path));
      }),
      { numRuns: 3000 },
    );
  });
});

describeWithData(['acl-bypass'], 'spellings that others have collected (shared/data)', () => {
  const read = (file: string) => sharedLines(`acl-bypass/${file}`);

  it('of a protected path reach it, are refused, or are another path as they stand', () => {
    const spellings = [
      ...read('endpaths.txt').map((end) => `/admin${end}`),
      ...read('midpaths.txt').flatMap((middle) => [`/${middle}admin`, `/x/${middle}/admin`]),
    ];
    for (const spelling of spellings) {
      const path = spelling.split(/[?#]/)[0] ?? '';
      // The guard lets neither of these through.
      if (/[\\\s]/.test(path)) continue;
      if (routeOf(path) !== PUBLIC) continue;
      // Public: then its first segment, as sent on, is not the protected one.
      const first = (normalizePath(path).split('/')[1] ?? '').replaceAll(/%2[eE]/g, '.');
      expect([spelling, first]).not.toEqual([spelling, 'admin']);
    }
  });
});
