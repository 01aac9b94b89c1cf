// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text under test has them.
import { describe, expect, it } from 'vitest';
import { readYaml } from '../../../../src/config/source/yaml-source.js';

describe('readYaml', () => {
  it('remembers where each value and its key stand', () => {
    const { value, places } = readYaml('a:\n  b: 1\nc:\n  - x\n  - { d: [2] }\n', {});
    expect(value).toEqual({ a: { b: 1 }, c: ['x', { d: [2] }] });
    expect(places.get('/a/b')).toMatchObject({ line: 2, column: 6, keyLine: 2, keyColumn: 3 });
    expect(places.get('/c/0')).toMatchObject({ line: 4, column: 5, keyLine: 4, keyColumn: 5 });
    expect(places.get('/c/1/d/0')).toMatchObject({ line: 5, column: 11 });
    expect(places.get('')).toMatchObject({ line: 1, column: 1 });
  });

  it('remembers which values came out of variables', () => {
    const { places } = readYaml('a: ${A}\nb: x${A}\nc: plain\n', { A: '1' });
    expect(places.get('/a')).toMatchObject({ variable: 'A', isWholeVariable: true });
    expect(places.get('/b')).toMatchObject({ variable: 'A', isWholeVariable: false });
    expect(places.get('/c')).toMatchObject({ variable: undefined, isWholeVariable: false });
  });

  it('keeps the types of the core schema only', () => {
    const { value } = readYaml('[1, 1.5, true, null, yes, on, 2020-01-01, 0x10, "1", ~]', {});
    expect(value).toEqual([1, 1.5, true, null, 'yes', 'on', '2020-01-01', 16, '1', null]);
  });

  it('does not let the file choose another schema', () => {
    expect(readYaml('%YAML 1.1\n---\na: yes\n', {}).value).toEqual({ a: 'yes' });
    expect(readYaml('a: { b: 1 }\n<<: { c: 2 }\n', {}).value).toEqual({
      a: { b: 1 },
      '<<': { c: 2 },
    });
  });

  it('treats __proto__ as a key like any other', () => {
    const { value } = readYaml('__proto__: { polluted: true }\n', {});
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value as object)).toEqual(['__proto__']);
  });

  it('repeats anchored values, each time in its own place', () => {
    const { value, places } = readYaml('a: &x { b: 1 }\nc: *x\n', {});
    expect(value).toEqual({ a: { b: 1 }, c: { b: 1 } });
    expect(places.get('/c/b')).toMatchObject({ line: 1, column: 12 });
  });

  it('takes nesting up to the bound and refuses more, before any recursion', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect(readYaml(nested(60), {}).issues).toEqual([]);
    expect(readYaml(nested(70), {}).issues[0]?.message).toBe('nested more than 64 levels deep');
    expect(readYaml('['.repeat(5000), {}).issues[0]?.message).toContain('nested more');
    expect(readYaml('- '.repeat(5000), {}).issues[0]?.message).toContain('nested more');
    expect(readYaml('{a: '.repeat(5000), {}).issues[0]?.message).toContain('nested more');
  });

  it('bounds aliases at 100', () => {
    const text = (count: number) => `a: &a x\nb: [${'*a, '.repeat(count)}]\n`;
    expect(readYaml(text(100), {}).issues).toEqual([]);
    expect(readYaml(text(101), {}).issues[0]?.message).toBe('the file uses more than 100 aliases');
  });

  it('bounds what a few aliases can multiply', () => {
    const wide = `a: &a [${'x, '.repeat(30_000)}]\nb: [*a, *a, *a, *a]\n`;
    expect(readYaml(wide, {}).issues[0]?.message).toBe('the file holds more than 100000 values');
  });

  it('refuses an alias that contains itself or that has no anchor', () => {
    expect(readYaml('a: &a [*a]\n', {}).issues[0]?.message).toBe('the alias contains itself');
    expect(readYaml('a: *b\n', {}).issues[0]?.message).toBe('the alias has no anchor before it');
  });

  it('names duplicate keys and goes on', () => {
    const { value, issues } = readYaml('a:\n  b: 1\n  b: 2\n', {});
    expect(issues).toEqual([
      { path: 'a', line: 3, column: 3, message: 'duplicate key "b", first in line 2' },
    ]);
    expect(value).toEqual({ a: { b: 2 } });
  });

  it('reports syntax mistakes with their place, one a line', () => {
    const { value, issues } = readYaml('a: @x\nb: ok\nc: `y`\n', {});
    expect(value).toBeUndefined();
    expect(issues.map(({ line, column }) => [line, column])).toEqual([
      [1, 4],
      [3, 4],
    ]);
  });

  it.each([
    'secret: "hunter2" hunter2\n',
    'secret: !hunter2 x\n',
    'secret: !hunter2!hunter2 x\n',
    'secret: *hunter2\n',
    '- a\nhunter2: hunter2\n',
    'secret: |hunter2\n',
    'secret: "hunter2\n',
    "secret: 'hunter2\n",
    'secret: [hunter2\n',
    'secret: hunter2: hunter2\n',
    '%hunter2\n---\na: 1\n',
    'a: 1\n"hunter2"\n',
    '&hunter2 &hunter2 a: 1\n',
    'secret: "hunter2\\qhunter2"\n',
  ])('does not quote the text in what it says of %j', (text) => {
    const { issues } = readYaml(text, {});
    expect(issues.length).toBeGreaterThan(0);
    expect(JSON.stringify(issues)).not.toContain('hunter2');
  });

  it('reads JSON that is indented with tabs', () => {
    expect(readYaml('{\n\t"a": [\n\t\t1\n\t]\n}\n', {}).value).toEqual({ a: [1] });
  });
});
