import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FindMyWayTable } from '../../../bench/alternatives/find-my-way-table.js';
import { HTTP_METHODS } from '../../../src/base/http-method.js';
import type { RoutePattern } from '../../../src/routing/route-pattern.js';
import { routeTableOf } from '../../support/route-table.js';

const text = fc.constantFrom('a', 'b', 'ab', 'users', 'a$b', "it's", 'x=1');
const middle = fc.oneof(
  { arbitrary: text, weight: 3 },
  { arbitrary: fc.constantFrom(':p', ':q'), weight: 2 },
);

const path = fc
  .tuple(fc.array(middle, { maxLength: 4 }), fc.constantFrom('', '/', '/*'))
  .filter(([segments]) => new Set(segments.filter((one) => one.startsWith(':'))).size < 3)
  .map(([segments, end]) => {
    // Names differ within a pattern.
    const named = segments.map((one, at) => (one.startsWith(':') ? `${one}${at}` : one));
    return named.length === 0 ? `/${end.slice(1)}` : `/${named.join('/')}${end}`;
  });

const route = fc.record({
  path,
  methods: fc.uniqueArray(fc.constantFrom(...HTTP_METHODS), { maxLength: 3 }),
  isGuarded: fc.boolean(),
  version: fc.constantFrom('', '', '', '1', '2'),
});

const requestPath = fc
  .tuple(
    fc.array(
      fc.constantFrom(
        'a',
        'b',
        'ab',
        'users',
        'a$b',
        'a%24b',
        'it%27s',
        'x%3D1',
        '%C3%A9',
        'a%25b',
      ),
      { maxLength: 5 },
    ),
    fc.boolean(),
  )
  .map(([segments, slash]) => `/${segments.join('/')}${slash && segments.length > 0 ? '/' : ''}`);

/** One path has versions everywhere or nowhere: the check of a configuration sees to that. */
function withUniformVersions(routes: readonly Omit<RoutePattern, 'index'>[]): RoutePattern[] {
  const versioned = new Map<string, boolean>();
  return routes.map((one, index) => {
    const shape = one.path.replace(/:\w+/g, ':').replace(/\/\*?$/, '');
    const isVersioned = versioned.get(shape) ?? one.version !== '';
    versioned.set(shape, isVersioned);
    const version = isVersioned ? one.version || '1' : '';
    return { ...one, index, version };
  });
}

describe('a route table', () => {
  it('finds what a table of find-my-way finds', () => {
    fc.assert(
      fc.property(
        fc.array(route, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.constantFrom(...HTTP_METHODS), requestPath), { maxLength: 12 }),
        (routes, requests) => {
          const patterns = withUniformVersions(routes);
          const [table, oracle] = [routeTableOf(patterns), new FindMyWayTable(patterns)];
          for (const [method, given] of requests) {
            const found = table.find(method, given);
            expect([method, given, found]).toEqual([method, given, oracle.find(method, given)]);
            if (found >= 0) {
              expect({ ...table.params }).toEqual({ ...oracle.params });
              expect(table.versions).toEqual(oracle.versions);
            }
            expect(table.allowedMethods(given)).toEqual(oracle.allowedMethods(given));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
