import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostName } from '../../../src/routing/host-name.js';
import { areDisjoint } from '../../../src/routing/match-conditions.js';
import { comparePrecedence, conditionText } from '../../../src/routing/precedence.js';
import type {
  MatchCondition,
  RoutedRequest,
  RoutePattern,
} from '../../../src/routing/route-pattern.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND } from '../../../src/routing/route-table.js';
import { routeTableOf } from '../../support/route-table.js';

type Wish = Partial<RoutePattern> & { readonly path: string };

const tableOf = (...wishes: Wish[]) =>
  routeTableOf(wishes.map((wish, index) => ({ index, methods: [], ...wish })));

/** Values by `source:name`. */
function aRequest(values: Record<string, string[]> = {}, host = ''): RoutedRequest {
  return { host, valuesOf: (source, name) => values[`${source}:${name}`] ?? [] };
}

const condition = (
  source: MatchCondition['source'],
  name: string,
  test: MatchCondition['test'],
  value = '',
): MatchCondition => ({ source, name, test, value });

const not = (one: MatchCondition): MatchCondition => ({ ...one, isNot: true });

describe('the name of a host', () => {
  it.each([
    ['example.com', 'example.com'],
    ['Example.COM:8080', 'example.com'],
    ['example.com.', 'example.com'],
    ['example.com.:443', 'example.com'],
    ['[::1]:8080', '[::1]'],
    ['', ''],
    [`${'a'.repeat(254)}`, ''],
  ])('%j is %j', (authority, name) => {
    expect(hostName(authority)).toBe(name);
  });
});

describe('hosts', () => {
  const table = tableOf(
    { path: '/*' },
    { path: '/*', hosts: ['a.example'] },
    { path: '/*', hosts: ['*.example'] },
    { path: '/x', hosts: ['*.b.example'] },
  );
  const at = (host: string, path = '/x') => table.find('GET', path, aRequest({}, host));

  it('are tried by name, then by the longest star, then without one', () => {
    expect(at('A.example:80')).toBe(1);
    expect(at('c.example')).toBe(2);
    expect(at('x.b.example')).toBe(3);
    expect(at('x.y.b.example')).toBe(3);
    expect(at('example')).toBe(0);
    expect(at('other.test')).toBe(0);
    expect(at('')).toBe(0);
  });

  it('that have no route for the path leave it to the next', () => {
    expect(at('x.b.example', '/y')).toBe(2);
  });
});

describe('conditions', () => {
  it('choose among routes of one path; one that does not fit leaves the request to wider routes', () => {
    const table = tableOf(
      { path: '/*' },
      { path: '/a', conditions: [condition('header', 'x-beta', 'exact', '1')] },
      { path: '/a', conditions: [condition('query', 'v', 'prefix', '2.')] },
      { path: '/a', conditions: [condition('cookie', 'c', 'pattern', 'a+|b')], priority: -1 },
    );
    const find = (values: Record<string, string[]>) => table.find('GET', '/a', aRequest(values));
    expect(find({ 'header:x-beta': ['0', '1'] })).toBe(1);
    expect(find({ 'header:x-beta': ['11'] })).toBe(0);
    expect(find({ 'query:v': ['2.1'] })).toBe(2);
    expect(find({ 'query:v': ['12.1'] })).toBe(0);
    expect(find({ 'cookie:c': ['aaa'] })).toBe(3);
    expect(find({ 'cookie:c': ['aab'] })).toBe(0);
    expect(find({ 'cookie:c': ['b'], 'query:v': ['2.'] })).toBe(2);
    expect(find({})).toBe(0);
  });

  it('tell what is there from what is not', () => {
    const table = tableOf(
      { path: '/a', conditions: [condition('header', 'x', 'present')] },
      { path: '/a', conditions: [condition('header', 'x', 'absent')] },
    );
    expect(table.find('GET', '/a', aRequest({ 'header:x': [''] }))).toBe(0);
    expect(table.find('GET', '/a', aRequest())).toBe(1);
  });

  it('come first where there are more of them, unless a priority says otherwise', () => {
    const [one, two] = [condition('header', 'a', 'present'), condition('header', 'b', 'present')];
    const request = aRequest({ 'header:a': ['1'], 'header:b': ['1'] });
    const wishes = [
      { path: '/a' },
      { path: '/a', conditions: [one] },
      { path: '/a', conditions: [one, two] },
    ];
    expect(tableOf(...wishes).find('GET', '/a', request)).toBe(2);
    expect(
      tableOf({ path: '/a', priority: 1 }, ...wishes.slice(1)).find('GET', '/a', request),
    ).toBe(0);
  });

  it('of a guarded route bound what it keeps from wider routes', () => {
    const table = tableOf(
      { path: '/*' },
      {
        path: '/admin',
        methods: ['GET'],
        isGuarded: true,
        conditions: [condition('header', 'x', 'present')],
      },
    );
    const fitting = aRequest({ 'header:x': ['1'] });
    expect(table.find('GET', '/admin/', fitting)).toBe(1);
    expect(table.find('POST', '/admin', fitting)).toBe(METHOD_NOT_ALLOWED);
    expect(table.find('POST', '/admin', aRequest())).toBe(0);
    expect(table.allowedMethods('/admin', fitting)).toEqual(['GET', 'HEAD']);
  });

  it('are disjoint only where no request can fit both', () => {
    const exact = (value: string) => condition('header', 'x', 'exact', value);
    expect(areDisjoint([exact('1')], [exact('2')])).toBe(true);
    expect(areDisjoint([exact('1')], [exact('1')])).toBe(false);
    expect(areDisjoint([exact('1')], [condition('header', 'y', 'exact', '2')])).toBe(false);
    expect(areDisjoint([condition('header', 'x', 'absent')], [exact('1')])).toBe(true);
    expect(areDisjoint([condition('header', 'x', 'prefix', 'a')], [exact('ab')])).toBe(false);
    expect(areDisjoint([condition('header', 'x', 'prefix', 'a')], [exact('b')])).toBe(true);
    expect(areDisjoint([], [])).toBe(false);
  });

  it('that are negated hold when none of the values meets them, or there is none', () => {
    const table = tableOf(
      { path: '/*' },
      { path: '/a', conditions: [not(condition('header', 'x', 'exact', '1'))] },
      { path: '/b', conditions: [not(condition('query', 'x', 'prefix', '1'))] },
      { path: '/c', conditions: [not(condition('cookie', 'x', 'pattern', '[0-9]+|a'))] },
    );
    const find = (path: string, key: string, ...values: string[]) =>
      table.find('GET', path, aRequest({ [key]: values }));
    expect(find('/a', 'header:x')).toBe(1);
    expect(find('/a', 'header:x', '2', '11')).toBe(1);
    expect(find('/a', 'header:x', '2', '1')).toBe(0);
    expect(find('/b', 'query:x', '21')).toBe(2);
    expect(find('/b', 'query:x', '21', '12')).toBe(0);
    expect(find('/c', 'cookie:x', '7x', 'ab')).toBe(3);
    expect(find('/c', 'cookie:x', '7x', '77')).toBe(0);
  });

  it('that are negated exclude what would meet them, and nothing else', () => {
    const x = (test: MatchCondition['test'], value = '') => condition('header', 'x', test, value);
    const cases: [MatchCondition, MatchCondition, boolean][] = [
      [x('exact', '1'), x('exact', '1'), true],
      [x('exact', '2'), x('exact', '1'), false],
      [x('exact', 'ab'), x('prefix', 'a'), true],
      [x('prefix', 'ab'), x('prefix', 'a'), true],
      [x('prefix', 'a'), x('prefix', 'ab'), false],
      [x('prefix', 'a'), x('exact', 'a'), false],
      [x('pattern', 'a+'), x('pattern', 'a+'), true],
      [x('pattern', 'a+'), x('pattern', 'b+'), false],
      [x('absent'), x('exact', '1'), false],
      [x('present'), x('exact', '1'), false],
      [condition('query', 'x', 'exact', '1'), x('exact', '1'), false],
    ];
    for (const [one, other, expected] of cases) {
      const where = `${JSON.stringify(one)} and not ${JSON.stringify(other)}`;
      expect(areDisjoint([one], [not(other)]), where).toBe(expected);
      expect(areDisjoint([not(other)], [one]), where).toBe(expected);
      expect(areDisjoint([not(one)], [not(other)]), where).toBe(false);
    }
  });

  it('exclude each other only where no request with one value of a name meets both', () => {
    const values = fc.constantFrom('', 'a', 'ab', 'b');
    const any = fc
      .record({
        test: fc.constantFrom('present', 'absent', 'exact', 'prefix'),
        value: values,
        isNot: fc.boolean(),
      })
      .map(({ test, value, isNot }): MatchCondition => {
        const plain = condition('header', 'x', test as MatchCondition['test'], value);
        return isNot && test !== 'present' && test !== 'absent' ? not(plain) : plain;
      });
    const given = fc.oneof(
      fc.constant<string[]>([]),
      values.map((value) => [value]),
    );
    const holds = (one: MatchCondition, request: RoutedRequest): boolean =>
      tableOf({ path: '/a', conditions: [one] }).find('GET', '/a', request) === 0;
    fc.assert(
      fc.property(any, any, given, (one, other, list) => {
        const request = aRequest({ 'header:x': list });
        fc.pre(areDisjoint([one], [other]));
        expect(holds(one, request) && holds(other, request)).toBe(false);
      }),
    );
  });

  it('are said in words', () => {
    const x = (test: MatchCondition['test'], value = '') => condition('header', 'x', test, value);
    const said = [x('exact', '1'), x('prefix', 'a'), x('pattern', 'a+')];
    expect(said.map((one) => conditionText(not(one)))).toEqual([
      'header x is not "1"',
      'header x does not begin with "a"',
      'header x does not fit a+',
    ]);
    expect(said.map(conditionText)).toEqual([
      'header x is "1"',
      'header x begins with "a"',
      'header x fits a+',
    ]);
  });
});

describe('parts of segments', () => {
  const table = tableOf(
    { path: '/files/:name' },
    { path: '/files/:name.pdf' },
    { path: '/files/report-:year([0-9]{4}).pdf' },
    { path: '/files/:id([0-9]+)' },
    { path: '/tasks/:id\\:cancel' },
    { path: '/range/:from-:to' },
  );
  const find = (path: string) => [table.find('GET', path), { ...table.params }];

  it('are taken with their parameters, the most fixed text first', () => {
    expect(find('/files/a.pdf')).toEqual([1, { name: 'a' }]);
    expect(find('/files/a.b.pdf')).toEqual([1, { name: 'a.b' }]);
    expect(find('/files/.pdf')).toEqual([0, { name: '.pdf' }]);
    expect(find('/files/report-2024.pdf')).toEqual([2, { year: '2024' }]);
    expect(find('/files/report-24.pdf')).toEqual([1, { name: 'report-24' }]);
    expect(find('/files/77')).toEqual([3, { id: '77' }]);
    expect(find('/files/7x')).toEqual([0, { name: '7x' }]);
    expect(find('/tasks/7:cancel')).toEqual([4, { id: '7' }]);
    expect(find('/tasks/7%3Acancel')).toEqual([4, { id: '7' }]);
    expect(find('/range/a-b-c')).toEqual([5, { from: 'a', to: 'b-c' }]);
    expect(table.find('GET', '/range/-b')).toBe(ROUTE_NOT_FOUND);
    expect(table.find('GET', '/tasks/7')).toBe(ROUTE_NOT_FOUND);
  });

  it('take text that is no UTF-8 only with a star', () => {
    const wide = tableOf({ path: '/a/:x' }, { path: '/b/*' });
    expect(wide.find('GET', '/a/caf%E9')).toBe(ROUTE_NOT_FOUND);
    expect(wide.find('GET', '/b/caf%E9')).toBe(1);
    expect({ ...wide.params }).toEqual({ '*': 'caf%E9' });
  });
});

describe('expressions', () => {
  it('are tried below their fixed segments, before what a star takes and after all else', () => {
    const table = tableOf(
      { path: '/*' },
      { path: '/api/*' },
      { path: '', expression: '/api/.*[.]json' },
      { path: '/api/:name' },
      { path: '', expression: '/a.*' },
      { path: '/admin/*', isGuarded: true },
    );
    expect(table.find('GET', '/api/x/y.json')).toBe(2);
    expect(table.find('GET', '/api/x.json')).toBe(3);
    expect(table.find('GET', '/api/x/y')).toBe(1);
    expect(table.find('GET', '/abc')).toBe(4);
    expect(table.find('GET', '/admin/x')).toBe(5);
    expect(table.find('GET', '/b')).toBe(0);
  });

  it('fit the whole path, in the order of the file', () => {
    const table = tableOf({ path: '', expression: '/a|/b' }, { path: '', expression: '/[ab]c?' });
    expect(table.find('GET', '/a')).toBe(0);
    expect(table.find('GET', '/ac')).toBe(1);
    expect(table.find('GET', '/acc')).toBe(ROUTE_NOT_FOUND);
    expect(table.find('GET', '/x/a')).toBe(ROUTE_NOT_FOUND);
  });
});

const segment = fc.constantFrom('a', 'b', ':p', ':p.x', 'v:p', ':p([0-9]+)');
const wishes = fc.array(
  fc.record({
    path: fc
      .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '/*'))
      .map(
        ([segments, end]) =>
          `/${segments.map((one, at) => one.replace(':p', `:p${at}`)).join('/')}${end}`,
      ),
    hosts: fc.constantFrom([], ['a.test'], ['*.test']),
    priority: fc.constantFrom(0, 0, 1),
    isConditional: fc.boolean(),
  }),
  { minLength: 2, maxLength: 10 },
);
const paths = fc
  .array(fc.constantFrom('a', 'b', 'a.x', 'va', '7', 'v7'), { minLength: 1, maxLength: 4 })
  .map((segments) => `/${segments.join('/')}`);

describe('the order of precedence', () => {
  it('is the order in which the table tries its routes', () => {
    fc.assert(
      fc.property(
        wishes,
        paths,
        fc.constantFrom('a.test', 'b.test', 'c.example'),
        (all, path, host) => {
          const seen = new Set<string>();
          const patterns = all.flatMap(({ isConditional, ...wish }, index): RoutePattern[] => {
            const conditions = isConditional ? [condition('header', 'x', 'present')] : [];
            const key = JSON.stringify([
              { ...wish, path: wish.path.replace(/:p[0-9]/g, ':p') },
              conditions,
            ]);
            if (seen.has(key)) return [];
            seen.add(key);
            return [{ index, methods: [], ...wish, conditions }];
          });
          const request = aRequest({ 'header:x': ['1'] }, host);
          const alone = patterns.filter(
            (one) => routeTableOf([one]).find('GET', path, request) >= 0,
          );
          const first = alone.toSorted(comparePrecedence)[0]?.index ?? ROUTE_NOT_FOUND;
          expect(routeTableOf(patterns).find('GET', path, request)).toBe(first);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('listeners', () => {
  const on = (value: string): MatchCondition => condition('listener', '', 'oneOf', value);
  const table = tableOf(
    { path: '/x', conditions: [on('a\nb')] },
    { path: '/x', conditions: [on('c')] },
    { path: '/x' },
  );

  it('are one condition, whichever of the names it is', () => {
    const at = (name: string) => table.find('GET', '/x', aRequest({ 'listener:': [name] }));
    expect(['a', 'b', 'c', 'd', 'a\nb', ''].map(at)).toEqual([0, 0, 1, 2, 2, 2]);
  });

  it('exclude one another when they share no name', () => {
    expect(areDisjoint([on('a\nb')], [on('c')])).toBe(true);
    expect(areDisjoint([on('a\nb')], [on('b\nc')])).toBe(false);
  });
});
