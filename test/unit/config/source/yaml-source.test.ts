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
    for (const start of ['', '---\n']) {
      const { variables } = readYaml(`${start}a: \${A}\nb: x\${A}\nc: plain\n`, { A: '1' });
      expect(variables.get('/a')).toEqual({ name: 'A', isWhole: true });
      expect(variables.get('/b')).toEqual({ name: 'A', isWhole: false });
      expect(variables.get('/c')).toBeUndefined();
    }
  });

  it('keeps the types of the core schema only', () => {
    const { value } = readYaml('[1, 1.5, true, null, yes, on, 2020-01-01, 0x10, "1", ~]', {});
    expect(value).toEqual([1, 1.5, true, null, 'yes', 'on', '2020-01-01', 16, '1', null]);
  });

  it('does not let the file choose another schema', () => {
    expect(readYaml('%YAML 1.1\n---\na: yes\n', {}).value).toEqual({ a: 'yes' });
    expect(readYaml('%YAML 1.1\n---\na: 0o17\n', {}).value).toEqual({ a: 15 });
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

  it('bounds aliases at 10000', () => {
    const text = (count: number) => `a: &a x\nb: [${'*a, '.repeat(count)}]\n`;
    expect(readYaml(text(10_000), {}).issues).toEqual([]);
    expect(readYaml(text(10_001), {}).issues[0]?.message).toBe(
      'the file uses more than 10000 aliases',
    );
  });

  it('bounds what a few aliases can multiply', () => {
    const wide = `a: &a [${'x, '.repeat(30_000)}]\nb: [${'*a, '.repeat(20)}]\n`;
    expect(readYaml(wide, {}).issues[0]?.message).toBe('the file holds more than 500000 values');
  });

  it('takes over keys by <<, of which its own and then the first win', () => {
    const text = [
      'a: &a { b: 1, c: { d: 1 }, e: [1] }',
      'f: &f { <<: *a, b: 2, g: 2 }',
      'one: { <<: *a, b: 9 }',
      'two: { b: 9, <<: [*f, { b: 8, h: 8 }] }',
      'three: { "<<": *a }',
    ].join('\n');
    const { value, issues, places } = readYaml(text, {});
    expect(issues).toEqual([]);
    expect(value).toMatchObject({
      one: { b: 9, c: { d: 1 }, e: [1] },
      two: { b: 9, c: { d: 1 }, e: [1], g: 2, h: 8 },
      three: { '<<': { b: 1 } },
    });
    expect(places.get('/one/c/d')).toMatchObject({ line: 1 });
    expect(places.get('/one/b')).toMatchObject({ line: 3 });
  });

  it('refuses to take over anything but maps, and a map that contains itself', () => {
    const problems = (text: string) => readYaml(text, {}).issues.map(({ message }) => message);
    const message = '"<<" takes a map, or a list of maps';
    expect(problems('a: { <<: 1 }')).toEqual([message]);
    expect(problems('a: { <<: }')).toEqual([message]);
    expect(problems('a: { <<: [1, { b: 2 }] }')).toEqual([message]);
    expect(problems('a: &a { b: { <<: *a } }')).toEqual(['the alias contains itself']);
    expect(problems('a: { <<: { b: 1, b: 2 } }')).toEqual(['duplicate key "b", first in line 1']);
  });

  it('bounds how deep aliases nest, whatever the text does', () => {
    const chain = (count: number) =>
      Array.from(
        { length: count },
        (_, at) => `a${at}: &a${at} [${at === 0 ? 'x' : `*a${at - 1}`}]`,
      );
    expect(readYaml(chain(60).join('\n'), {}).issues).toEqual([]);
    expect(readYaml(chain(70).join('\n'), {}).issues[0]?.message).toContain('nested more than 64');
  });

  it('refuses an alias that contains itself or that has no anchor', () => {
    expect(readYaml('a: &a [*a]\n', {}).issues[0]?.message).toBe('the alias contains itself');
    expect(readYaml('a: *b\n', {}).issues[0]?.message).toBe(
      'the alias has no anchor before it; quote a text that begins with "*"',
    );
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
