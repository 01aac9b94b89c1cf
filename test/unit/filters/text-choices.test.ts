import { describe, expect, it } from 'vitest';
import { SchemaJudge } from '../../../src/filters/validation/schema-code.js';
import { schemaCode } from '../../../src/filters/validation/schema-engine.js';

const NUMBER_OR_NAME = [{ type: 'integer' }, { type: 'string', pattern: '^[a-z]' }];

/** Whether `q` of a query fits the schema. */
function fits(q: object, value: unknown, more: object = {}): boolean {
  const schema = { type: 'object', properties: { q }, ...more };
  const judge = new SchemaJudge(() => schemaCode(schema, '2020-12', 'text'));
  return judge.errorsOf({ q: value }).length === 0;
}

describe('oneOf of texts', () => {
  it.each([
    [NUMBER_OR_NAME, ['5', 'name'], ['-', '5.5']],
    [[...NUMBER_OR_NAME].reverse(), ['5', 'name'], ['-']],
    [[{ type: 'string' }, { type: 'array', items: { type: 'string' } }], ['a', ['a', 'b']], []],
    [[{ type: 'string' }, { type: 'null' }], ['', 'a'], []],
    [
      [{ $ref: '#/$defs/Id' }, { allOf: [{ type: 'string', maxLength: 3 }] }],
      ['12', 'abc'],
      ['abcd'],
    ],
  ])('takes what fits any of choices of several types: %j', (oneOf, good, bad) => {
    const more = { $defs: { Id: { type: 'integer' } } };
    expect(good.map((value) => fits({ oneOf }, value, more))).toEqual(good.map(() => true));
    expect(bad.map((value) => fits({ oneOf }, value, more))).toEqual(bad.map(() => false));
  });

  it('takes what fits exactly one of choices of one type', () => {
    const oneOf = [3, 5].map((multipleOf) => ({ type: 'integer', multipleOf }));
    expect(['9', '10', '15', '7'].map((value) => fits({ oneOf }, value))).toEqual([
      ...[true, true],
      ...[false, false],
    ]);
  });

  it('holds to the anyOf beside it', () => {
    const both = { oneOf: NUMBER_OR_NAME, anyOf: [{ maxLength: 2 }, { type: 'integer' }] };
    expect(fits(both, 'ab')).toBe(true);
    expect(fits(both, 'abc')).toBe(false);
  });

  it('leaves a parameter alone that has the name of a keyword', () => {
    const schema = { type: 'object', properties: { default: { oneOf: NUMBER_OR_NAME } } };
    const judge = new SchemaJudge(() => schemaCode(schema, '2020-12', 'text'));
    expect(judge.errorsOf({ default: '5' })).toEqual([]);
  });
});
