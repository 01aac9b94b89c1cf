/** Numbers in texts: query, path, fields and forms follow the grammar of JSON. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateSchema } from '../../../src/filters/validation/schema-code.js';
import { schemaCode } from '../../../src/filters/validation/schema-engine.js';

const DIALECTS = ['2020-12', 'draft-07'] as const;

function fits(schema: unknown, value: unknown, dialect: (typeof DIALECTS)[number]): boolean {
  const whole = { type: 'object', properties: { n: schema } };
  return evaluateSchema(schemaCode(whole, dialect, 'text'))({ n: value }) === true;
}

/** Schemas that want a number, in the places where ajv writes the test anew. */
const WANTING = [
  { type: 'integer' },
  { type: 'number' },
  { type: ['integer', 'null'] },
  { type: ['boolean', 'number'] },
  { anyOf: [{ type: 'integer' }, { type: 'boolean' }] },
  { type: 'array', items: { type: 'number' } },
  { type: 'object', additionalProperties: { type: 'integer' } },
];

const valueFor = (schema: object, text: string): unknown =>
  'additionalProperties' in schema ? { a: text } : text;

describe.each(DIALECTS)('a text that stands for a number (%s)', (dialect) => {
  it.each(['0', '-0', '7', '-12', '1e3', '1E+3', '10.0', '12345678901234567890'])(
    '%j is one',
    (text) => {
      for (const schema of WANTING) {
        expect(fits(schema, valueFor(schema, text), dialect), JSON.stringify(schema)).toBe(true);
      }
    },
  );

  it.each([
    'Infinity',
    '-Infinity',
    'NaN',
    '1e400',
    '-1e400',
    '0x10',
    '0b1',
    '0o7',
    ' 5',
    '5 ',
    '\t5',
    '5\n',
    '\u00a05',
    '+5',
    '05',
    '5.',
    '.5',
    '1_000',
    '1e',
    '',
    ' ',
  ])('%j is none', (text) => {
    for (const schema of WANTING) {
      // An empty text stands for null.
      if (text === '' && JSON.stringify(schema).includes('null')) continue;
      expect(fits(schema, valueFor(schema, text), dialect), JSON.stringify(schema)).toBe(false);
    }
  });

  it('is an integer by its value, and a text where a text is wanted', () => {
    expect(fits({ type: 'integer' }, '1.5', dialect)).toBe(false);
    expect(fits({ type: 'number' }, '1.5', dialect)).toBe(true);
    expect(fits({ type: 'integer', maximum: 9 }, '10', dialect)).toBe(false);
    for (const text of ['0x10', ' 5', 'Infinity', '007']) {
      expect(fits({ type: 'string', minLength: 2 }, text, dialect)).toBe(true);
    }
  });

  it('is one exactly if JSON has it and a double holds it', () => {
    const schema = { properties: { n: { type: 'number' } } };
    const validate = evaluateSchema(schemaCode(schema, dialect, 'text'));
    const pieces = fc.array(fc.constantFrom('0', '1', '9', '.', 'e', 'E', '+', '-', 'x', ' '));
    fc.assert(
      fc.property(pieces, (list) => {
        const text = list.join('');
        let isNumber = !/^\s|\s$/.test(text);
        try {
          isNumber &&= Number.isFinite(JSON.parse(text));
        } catch {
          isNumber = false;
        }
        expect(validate({ n: text })).toBe(isNumber);
      }),
    );
  });
});
