/** Schemas that refer to themselves: the verdicts are those of ajv, and no body takes for ever. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateSchema } from '../../../src/filters/validation/schema-code.js';
import { schemaCode } from '../../../src/filters/validation/schema-engine.js';
import { runs } from '../../support/long-form.js';

const TREE = { $ref: '#/$defs/tree' };
const branch = (op: string) => ({
  type: 'object',
  required: ['op', 'of'],
  properties: { op: { const: op }, of: { type: 'array', items: TREE } },
});
const leaf = { type: 'object', required: ['field'], properties: { field: { type: 'string' } } };
/** As APIs describe conditions. */
const CONDITIONS = {
  ...TREE,
  $defs: { tree: { oneOf: [branch('and'), branch('or'), branch('not'), leaf] } },
};
/** What a part leaves unevaluated depends on the value. */
const UNEVALUATED = {
  ...TREE,
  unevaluatedProperties: false,
  $defs: {
    tree: {
      anyOf: [
        { properties: { a: { $ref: '#/$defs/closed' } }, required: ['a'] },
        { properties: { b: { $ref: '#/$defs/closed' } }, required: ['b'] },
        { maxProperties: 0 },
      ],
    },
    closed: {
      anyOf: [
        { ...TREE, unevaluatedProperties: false },
        { ...TREE, required: ['a', 'b'] },
      ],
    },
  },
};

const aCondition = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 5 },
    fc.record({ field: fc.constantFrom('x', 1) }),
    fc.record({ op: fc.constantFrom('and', 'or', 'not', 'xor'), of: fc.array(tie('any')) }),
  ),
})).any;
const aPair = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom({}, { c: 1 }, 1),
    fc.record({ a: tie('any'), b: tie('any') }, { requiredKeys: [] }),
  ),
})).any;

describe('a schema that refers to itself', () => {
  it.each([
    ['conditions', CONDITIONS, aCondition],
    ['unevaluated members', UNEVALUATED, aPair],
  ])('says of %s what ajv says', (_, schema, values) => {
    const ours = evaluateSchema(schemaCode(schema, '2020-12', 'json'));
    const theirs = new Ajv2020({ allErrors: true, ownProperties: true, strict: false }).compile(
      schema,
    );
    fc.assert(
      fc.property(values, (value) => {
        const isValid = theirs(value);
        expect(ours(value)).toBe(isValid);
        expect(ours.errors?.[0]).toEqual(theirs.errors?.[0]);
        expect(ours(value)).toBe(isValid);
      }),
      runs(300),
    );
  });

  it('is judged once for each value, however many ways lead there', () => {
    const judge = evaluateSchema(schemaCode(CONDITIONS, '2020-12', 'json'));
    const nested = (inmost: object): object => {
      let value = inmost;
      for (let depth = 0; depth < 100; depth += 1) value = { op: 'not', of: [value] };
      return value;
    };
    expect(judge(nested({ field: 'x' }))).toBe(true);
    expect(judge(nested({ field: 1 }))).toBe(false);
    expect(judge.errors?.length).toBeLessThan(1000);
  });

  it('judges a value anew when it comes again', () => {
    const judge = evaluateSchema(schemaCode(CONDITIONS, '2020-12', 'json'));
    const inner: Record<string, unknown> = { field: 'x' };
    const value = { op: 'and', of: [inner] };
    expect(judge(value)).toBe(true);
    inner['field'] = 1;
    expect(judge(value)).toBe(false);
  });
});

it('of very many errors the first are told, and none makes a value valid', () => {
  const item = { $ref: '#/$defs/item' };
  const schema = {
    type: 'array',
    items: { anyOf: [{ type: 'array', items: item }, { type: 'string' }, item] },
    $defs: { item: { type: 'object', properties: { next: item }, required: ['a', 'b'] } },
  };
  const judge = evaluateSchema(schemaCode(schema, '2020-12', 'json'));
  expect(judge([Array.from({ length: 500 }, () => ({}))])).toBe(false);
  expect(judge.errors?.slice(0, 2)).toMatchObject([
    { instancePath: '/0/0', params: { missingProperty: 'a' } },
    { instancePath: '/0/0', params: { missingProperty: 'b' } },
  ]);
  // Past the first hundred too, each part that does not fit counts.
  const wrong = Array.from({ length: 300 }, () => [{ a: 1 }]);
  expect(judge([...wrong, ['x'], 'fine'])).toBe(false);
  expect(judge(['fine', [{ a: 1, b: 2 }]])).toBe(true);
});
