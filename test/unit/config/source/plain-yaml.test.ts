// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text under test has them.
/**
 * The reader of plain YAML against the library: what it reads is what the library reads, and what
 * the library refuses it does not read. Texts are those of the examples, cut and mutated.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { NOT_PLAIN, readPlainYaml } from '../../../../src/config/source/plain-yaml.js';
import { SimRandom } from '../../../simulation/seeds.js';

const BOUNDS = { depthMax: 64, valuesMax: 100_000 };
const EXAMPLES = join(import.meta.dirname, '../../../../examples');

const read = (text: string): unknown => readPlainYaml(text, BOUNDS);

/** What the library makes of it, or undefined where it complains. */
function readByLibrary(text: string): unknown {
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    stringKeys: true,
    strict: true,
    prettyErrors: false,
  });
  if (document.errors.length + document.warnings.length > 0) return undefined;
  return document.toJS();
}

/** Whether it was read here. Throws where the two differ. */
function agree(text: string): boolean {
  const value = read(text);
  if (value === NOT_PLAIN) return false;
  expect({ text, value }).toStrictEqual({ text, value: readByLibrary(text) });
  // Keys in the same order.
  expect(JSON.stringify(value)).toBe(JSON.stringify(readByLibrary(text)));
  return true;
}

const examples = readdirSync(EXAMPLES)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(join(EXAMPLES, name), 'utf8'));

const BITS = [
  ...[' ', '  ', '\n', '\n  ', '\n\n', '- ', '-', '\n- ', '- - ', ': ', ':', ' :', ':a', '? '],
  ...['#', ' #', '{', '}', '[', ']', ',', ', ', '{a: b}', '[a, b]', '"', "'", '""', "''"],
  ...['a', '404', '1', '0', '-1', '007', '.5', '1e3', '0x1', 'null', 'true', '~', '.', '\\n'],
  ...['|', '>', '&a', '*a', '!', '%', '@', '`', '\\', '$', '${A}', '<<: ', '---\n', 'é', '\t'],
];

function mutated(random: SimRandom): string {
  const lines = random.pick(examples).split('\n');
  const first = random.below(lines.length);
  let text = lines.slice(first, first + 1 + random.below(14)).join('\n');
  if (random.chance(0.3)) text = '';
  for (let count = 1 + random.below(text === '' ? 14 : 3); count > 0; count -= 1) {
    const at = random.below(text.length + 1);
    const cut = random.chance(0.25) ? random.below(4) : 0;
    const bit = random.chance(0.8) ? random.pick(BITS) : '';
    text = text.slice(0, at) + bit + text.slice(at + cut);
  }
  return text;
}

describe('readPlainYaml', () => {
  it('reads nearly all examples, as the library does', () => {
    const plain = examples.filter((text) => agree(text));
    expect(plain.length).toBeGreaterThan(examples.length * 0.8);
  });

  it('reads whatever it reads as the library does', () => {
    const random = new SimRandom(20_260);
    let plain = 0;
    for (let count = 0; count < 6000; count += 1) if (agree(mutated(random))) plain += 1;
    expect(plain).toBeGreaterThan(500);
  });

  it.each([
    ['a: 1\nb:\n- x\n- y: 2\n  z: 3\nc: { d: [1, "e", f], }\n'],
    ['- - 1\n  - 2\n-   a: b\n    c: d\n'],
    ["a: 'it''s'\nb: \"q\\\"\\u00e9\\n\"\nc: x#y # note\n"],
    ['errors: { 404: { text: a }, "5xx": {"b":1} }\nurl: http://a:80/b?c=d#e\n'],
    ['a: {\n  # note\n  b: 1,\n  c: [\n    2 ] }\n# end'],
    ['a:\nb: null\nc:\n\n  d: -7\n'],
    ['{"a": [1, {"b": "c"}], "d": true}'],
    ['{\n"a":{"b":[]},\n"c":[\n]\n}\n# end\n'],
  ])('reads %j', (text) => {
    expect(agree(text)).toBe(true);
  });

  it.each([
    ['tabs and line ends of other systems', 'a:\tb', 'a: 1\r\n', '\ufeffa: 1'],
    ['several documents and directives', '---\na: 1', 'a: 1\n...\n', '%YAML 1.2\n---\na: 1'],
    ['anchors, aliases and tags', 'a: &x 1', 'a: *x', 'a: !!str 1', '{ a: &x b }'],
    ['text of several lines', 'a: |\n  b\n', 'a: >\n  b\n', 'a: b\n  c\n', 'a: "b\n  c"\n'],
    ['repeated and special keys', 'a: 1\na: 2', '{a: 1, a: 2}', '<<: {}', '{__proto__: {}}'],
    ['complex keys', '? a\n: b', '{a}: b', '[a]: b', '{? a: b}', '{[a]: b}'],
    ['wrong indentation', 'a: 1\n b: 2\n', 'a:\n  b: 1\n c: 2\n', '  a: 1\nb: 2\n', '- a\nb: 1'],
    ['braces that are not closed, or closed twice', 'a: [1', 'a: {b: 1', 'a: ]', 'a: [1]]'],
    ['numbers in unusual forms', 'a: 0x10', 'a: 1.5', 'a: 007', 'a: .inf', 'a: 1e3', 'a: True'],
    ['what is no YAML', 'a: @b', 'a: `b`', 'a: %b', 'a: b: c', 'a: "b" c', 'a: {b: 1} c'],
    ['braces less indented than their key', 'a:\n  b: [\n  1 ]\n', 'a: {\nb: 1 }\n'],
    ['nothing', '', '# note\n', '\n\n', 'word', '"word"', '[1]: 2'],
    ['pairs in a list', '[a: 1]', '["a": 1]', '{a, b}', '{a: , b: 1}', '[a,, b]', '[, a]'],
  ])('leaves %s to the full reader', (_name, ...texts) => {
    for (const text of texts) expect([text, read(text)]).toEqual([text, NOT_PLAIN]);
  });

  it('keeps to its bounds', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}1${']'.repeat(depth)}`;
    expect(read(`a: ${nested(63)}`)).not.toBe(NOT_PLAIN);
    expect(read(`a: ${nested(64)}`)).toBe(NOT_PLAIN);
    expect(read(`a: ${nested(50_000)}`)).toBe(NOT_PLAIN);
    expect(read('- '.repeat(50_000))).toBe(NOT_PLAIN);
    const many = `a: [${'1, '.repeat(100_000)}]`;
    expect(read(many)).toBe(NOT_PLAIN);
  });
});
