import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchPath, whyLessExact } from '../../../src/explain/path-match.js';
import { routeTableOf } from '../../support/route-table.js';

const literal = fc.constantFrom('a', 'b', 'users', 'Users');
const middle = fc.oneof(literal, fc.constantFrom(':id', ':other'));
const pattern = fc
  .tuple(fc.uniqueArray(middle, { maxLength: 3 }), fc.constantFrom('', '/', '/*'))
  .map(([segments, end]) => `/${segments.join('/')}${segments.length === 0 ? end.slice(1) : end}`);
const path = fc
  .tuple(fc.array(literal, { maxLength: 4 }), fc.boolean())
  .map(([segments, slash]) => `/${segments.join('/')}${slash && segments.length > 0 ? '/' : ''}`);

describe('whether a pattern takes a path', () => {
  it('is what the route table says', () => {
    fc.assert(
      fc.property(pattern, path, (one, given) => {
        const table = routeTableOf([{ index: 0, path: one, methods: ['GET'] }]);
        expect(matchPath(one, given).isMatch).toBe(table.find('GET', given) === 0);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['/api/users', '/api/user', 'segment 2 is "users", not "user"'],
    ['/api/users', '/api/Users', 'segment 2 is "users", not "Users" (case counts)'],
    ['/api/users/:id', '/api/users', 'goes on with "/:id"'],
    ['/api/users', '/api/users/', 'ends without a slash'],
    ['/api/users', '/api/users/7/x', 'ends before "/7/x"'],
    ['/api/:v/x', '/api/1', 'goes on with "/x"'],
  ])('%s does not take %s: %s', (one, given, why) => {
    expect(matchPath(one, given)).toMatchObject({ isMatch: false, why });
  });
});

describe('which of two patterns is the more exact', () => {
  it.each([
    ['/api/users/:id', '/api/*', 'segment 2 is "*" here and "users" there'],
    ['/api/users/me', '/api/users/:id', 'segment 3 is ":id" here and "me" there'],
    ['/api', '/api/*', 'the path is only the bare prefix of this one'],
  ])('%s before %s', (winner, loser, why) => {
    expect(whyLessExact(winner, loser)).toBe(why);
    const table = routeTableOf([
      { index: 0, path: loser, methods: [] },
      { index: 1, path: winner, methods: [] },
    ]);
    const sample = winner.replace(':id', '7');
    expect(table.find('GET', sample)).toBe(1);
  });
});
