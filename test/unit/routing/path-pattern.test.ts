import { describe, expect, it } from 'vitest';
import {
  type PatternSegment,
  parsePathPattern,
  patternShape,
  stripPrefixProblem,
} from '../../../src/routing/path-pattern.js';

function segmentsOf(path: string): readonly PatternSegment[] {
  const pattern = parsePathPattern(path);
  if (!pattern.isValid) throw new Error(pattern.problem);
  return pattern.segments;
}

describe('parsePathPattern', () => {
  it.each([
    '/',
    '/a',
    '/a/',
    '/a/b.c/~d_e-f',
    "/a!$&'+,;=@b",
    '/:id',
    '/a/:id/b/:other',
    '/*',
    '/a/*',
    '/:tenant/*',
    '/files/:name.pdf',
    '/:from-:to',
    '/tasks/:id\\:cancel',
    '/Products\\(:id\\)',
    '/a\\*',
    '/:id([0-9]+)',
    '/v:major([0-9]{1,2})x',
    '/:id((?:a|b)[)]?)',
  ])('takes %s', (path) => {
    expect(parsePathPattern(path).isValid).toBe(true);
  });

  it.each([
    ['', 'must begin with "/"'],
    ['a', 'must begin with "/"'],
    ['*', 'must begin with "/"'],
    ['//', 'must not contain "//"'],
    ['/a//b', 'must not contain "//"'],
    ['/./a', 'must not contain the segments "." or ".."'],
    ['/a/..', 'must not contain the segments "." or ".."'],
    ['/a*', 'may have one "*", as the whole last segment'],
    ['/*/a', 'may have one "*", as the whole last segment'],
    ['/**', 'may have one "*", as the whole last segment'],
    ['/:', 'takes parameters as ":name"'],
    ['/:1a', 'takes parameters as ":name"'],
    ['/::a', 'takes parameters as ":name"'],
    ['/:a:b', 'needs fixed text between two parameters'],
    ['/:a/:a', 'names the parameter :a twice'],
    ['/:a-:a', 'names the parameter :a twice'],
    ['/:id(', 'does not close the expression of :id'],
    ['/:id()', 'has an empty expression for :id'],
    ['/:id([^/]+)', 'does not close the expression of :id'],
    ['/:a(x)-:b', 'may give one parameter of a segment an expression'],
    ['/a:', 'takes parameters as ":name"'],
    ['/a\\:b\\d', 'cannot have "\\\\"'],
    ['/:id?', 'must be a path without'],
    ['/a#b', 'must be a path without'],
    ['/%41', 'must not percent-encode'],
    ['/%2e%2e', 'must not percent-encode'],
    ['/%7E', 'must not percent-encode'],
    ['/a%20b', 'must not contain "%"'],
    ['/%', 'must not contain "%"'],
    ['/a b', 'cannot have " ": take such a segment with a parameter'],
    ['/a\\b', 'cannot have'],
    ['/(a|b)', 'cannot have "("'],
    ['/é', 'cannot have "é"'],
    ['/a\n', 'cannot have'],
    ['/users/{id}', 'a parameter is written ":name"'],
  ])('refuses %j: %s', (path, problem) => {
    const pattern = parsePathPattern(path);
    expect(pattern.isValid ? '' : pattern.problem).toContain(problem);
  });
});

describe('patternShape', () => {
  it('is the same for patterns that match the same paths', () => {
    expect(patternShape(segmentsOf('/a/:id'))).toBe(patternShape(segmentsOf('/a/:name')));
  });

  it('differs for patterns of which one is more special, and for a slash at the end', () => {
    const shapes = ['/a/:id', '/a/*', '/a/id', '/a', '/a/'].map((path) =>
      patternShape(segmentsOf(path)),
    );
    expect(new Set(shapes).size).toBe(shapes.length);
  });
});

describe('stripPrefixProblem', () => {
  it.each([
    ['/api', '/api/users/*'],
    ['/api/users', '/api/users/*'],
    ['/api', '/api'],
    ['/a/b', '/a/b/:id'],
  ])('lets %s be cut off %s', (prefix, path) => {
    expect(stripPrefixProblem(prefix, segmentsOf(path))).toBeUndefined();
  });

  it.each([
    ['/', '/a'],
    ['api', '/api'],
    ['/api/', '/api/x'],
    ['/ap', '/api/x'],
    ['/api/users/x', '/api/users/*'],
    ['/api/*', '/api/*'],
    ['/:id', '/:id/x'],
    ['/a/b', '/a'],
  ])('does not let %s be cut off %s', (prefix, path) => {
    expect(stripPrefixProblem(prefix, segmentsOf(path))).toBeDefined();
  });
});
