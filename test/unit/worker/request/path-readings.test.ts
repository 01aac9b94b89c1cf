import { describe, expect, it } from 'vitest';
import type { CompiledPaths, CompiledRoute } from '../../../../src/config/compiled-config.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND } from '../../../../src/routing/route-table.js';
import { PathReadings } from '../../../../src/worker/request/path-readings.js';
import { aCompiledRoute } from '../../../support/compiled-route.js';

const BY_DEFAULT: CompiledPaths = { encodedSlash: '', merge: false };

function mode(encodedSlash: CompiledPaths['encodedSlash']): Partial<CompiledRoute> {
  return { paths: { encodedSlash, merge: false } };
}

interface World {
  /** Of the route that takes the path as it stands, and of that which takes `/a/b`. */
  readonly kept: Partial<CompiledRoute> | number;
  readonly other: Partial<CompiledRoute> | number;
  readonly general?: CompiledPaths;
  readonly isVersioned?: boolean;
}

function read({ kept, other, general = BY_DEFAULT, isVersioned = false }: World): string {
  const routes = [kept, other].map((one) => (typeof one === 'number' ? {} : one));
  const slashes = new PathReadings(
    { at: (place) => ({ config: aCompiledRoute(routes[place] ?? {}) }) },
    general,
  );
  const places = [kept, other].map((one, at) => (typeof one === 'number' ? one : at));
  return slashes.read('/a%2Fb', (path) => ({
    place: places[path === '/a%2Fb' ? 0 : 1] ?? ROUTE_NOT_FOUND,
    isVersioned,
  }));
}

const guarded = { authenticators: [0] };
const limited = { limiterIndexes: [3] };
const blocked = { answer: { kind: 'fixed', reply: {} } } as Partial<CompiledRoute>;
const KEPT = '/a%2Fb';
const DECODED = '/a/b';
const REFUSED = '';

describe('a path with an encoded slash', () => {
  it.each<[string, World, string]>([
    ['no route takes the other', { kept: {}, other: ROUTE_NOT_FOUND }, KEPT],
    ['the route is the same', { kept: 1, other: guarded }, KEPT],
    ['the other route lets everything through', { kept: guarded, other: {} }, KEPT],
    ['both have one set of rules', { kept: guarded, other: guarded }, KEPT],
    ['neither has a route', { kept: ROUTE_NOT_FOUND, other: ROUTE_NOT_FOUND }, KEPT],
    ['the other wants credentials', { kept: {}, other: guarded }, REFUSED],
    ['the other wants other credentials', { kept: guarded, other: { authenticators: [1] } }, ''],
    ['the other has a limit', { kept: {}, other: limited }, REFUSED],
    ['the other has a plugin', { kept: {}, other: { plugins: [0] } }, REFUSED],
    ['both have the same plugins', { kept: { plugins: [0] }, other: { plugins: [0] } }, KEPT],
    ['the other is answered by the gateway', { kept: {}, other: blocked }, REFUSED],
    ['the other takes no such method', { kept: {}, other: METHOD_NOT_ALLOWED }, REFUSED],
    ['only the other has a route', { kept: ROUTE_NOT_FOUND, other: guarded }, REFUSED],
    ['the version decides', { kept: {}, other: {}, isVersioned: true }, REFUSED],
  ])('of which nothing is said: %s', (_name, world, path) => {
    expect(read(world)).toBe(path);
  });

  it.each<[string, World, string]>([
    ['keeps', { kept: mode('keep'), other: guarded }, KEPT],
    ['refuses', { kept: mode('refuse'), other: {} }, REFUSED],
    ['decodes', { kept: mode('decode'), other: guarded }, DECODED],
    ['keeps, and the other decodes', { kept: mode('keep'), other: mode('decode') }, KEPT],
    ['refuses, and the other decodes', { kept: mode('refuse'), other: mode('decode') }, DECODED],
    ['says nothing, and the other decodes', { kept: {}, other: mode('decode') }, DECODED],
    ['is missing, and the other decodes', { kept: -1, other: mode('decode') }, DECODED],
  ])('of which its route says that it %s', (_name, world, path) => {
    expect(read(world)).toBe(path);
  });

  it.each([
    ['keep', KEPT],
    ['decode', DECODED],
    ['refuse', REFUSED],
  ] as const)('of which the whole gateway says %s, goes as %j', (encodedSlash, path) => {
    const general = { encodedSlash, merge: false };
    expect(read({ kept: {}, other: guarded, general })).toBe(path);
    expect(read({ kept: ROUTE_NOT_FOUND, other: ROUTE_NOT_FOUND, general })).toBe(path);
  });
});

describe('a path with a parameter', () => {
  const open = 0;
  const admin = 1;
  const routes = [{}, guarded].map((own) => ({ config: aCompiledRoute(own) }));
  const find = (path: string) => ({
    place: path === '/admin' || path.startsWith('/admin/') ? admin : open,
    isVersioned: false,
  });
  const read = (path: string, parameters?: 'allow') => {
    const source = { at: (place: number) => routes[place] ?? { config: aCompiledRoute({}) } };
    return new PathReadings(source, BY_DEFAULT, parameters).read(path, find);
  };

  it.each(['/a;v=1/b', '/a;jsessionid=1', '/admin/a;v=1', '/a;/admin', '/a/admin%3Bx', '/;x'])(
    'goes on as it is where no reading has other rules: %s',
    (path) => {
      expect(read(path)).toBe(path);
    },
  );

  it.each(['/admin;x', '/admin;x/users', '/admin%3Bx', '/;x/admin', '/admin%2Fb;x', '/admin;%2Fb'])(
    'is refused where some target reads a guarded one: %s',
    (path) => {
      expect(read(path)).toBe(REFUSED);
    },
  );

  it('is a name where the configuration says so', () => {
    expect(read('/admin;x', 'allow')).toBe('/admin;x');
  });
});
