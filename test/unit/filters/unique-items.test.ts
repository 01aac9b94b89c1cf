import { Ajv } from 'ajv';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createSchemaEngine } from '../../../src/filters/validation/schema-engine.js';
import { runs } from '../../support/long-form.js';

const UNIQUE = { type: 'array', uniqueItems: true } as const;

/** Few different values, so that some are equal, nested and with members in any order. */
const aValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(0, -0, 1, '1', '', true, false, null, 'a', '1,2', 1.5),
    fc.array(tie('value'), { maxLength: 2 }),
    fc
      .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', '"', 'a:1'), tie('value')), {
        maxLength: 3,
        selector: ([name]) => name,
      })
      .map((members) => Object.fromEntries(members)),
  ),
})).value;

it('items are found to be unique where ajv finds them so, and the same two are named', () => {
  const ours = createSchemaEngine('2020-12').compile(UNIQUE);
  const theirs = new Ajv({ allErrors: true, ownProperties: true }).compile(UNIQUE);
  let repeated = 0;
  fc.assert(
    fc.property(fc.array(aValue, { maxLength: 6 }), (items) => {
      const isUnique = theirs(items);
      expect(ours(items)).toBe(isUnique);
      if (isUnique) return;
      repeated += 1;
      const { keyword, instancePath, params, message } = ours.errors?.[0] ?? {};
      expect({ keyword, instancePath }).toEqual({ keyword: 'uniqueItems', instancePath: '' });
      const { i, j } = params as { i: number; j: number };
      expect(j).toBeLessThan(i);
      expect(new Ajv().validate({ const: items[i] as object }, items[j])).toBe(true);
      expect(message).toBe(`must NOT have duplicate items (items ## ${j} and ${i} are identical)`);
    }),
    runs(2000),
  );
  expect(repeated).toBeGreaterThan(30);
});

it('numbers too large to be told apart from nothing are told apart from null', () => {
  const validate = createSchemaEngine('2020-12').compile(UNIQUE);
  expect(validate(JSON.parse('[1e400, null, -1e400, 0]'))).toBe(true);
  expect(validate(JSON.parse('[0, -0]'))).toBe(false);
});

it('items may be equal where the schema says so', () => {
  const validate = createSchemaEngine('draft-07').compile({ uniqueItems: false });
  expect(validate([1, 1])).toBe(true);
});

// Compared in pairs these would take longer than this test may.
it('a hundred thousand objects are looked at once each', () => {
  const validate = createSchemaEngine('2020-12').compile(UNIQUE);
  const items = Array.from({ length: 100_000 }, (_, at) => ({ at }));
  expect(validate(items)).toBe(true);
  expect(validate([...items, { at: 7 }])).toBe(false);
  expect(validate.errors?.[0]?.params).toEqual({ i: 100_000, j: 7 });
});

it('a text that is too long for a URL is none, whatever it holds', () => {
  const validate = createSchemaEngine('2020-12').compile({ format: 'url' });
  expect(validate('https://user:secret@example.com/a?b=c#d')).toBe(true);
  expect(validate(`https://example.com/${'a'.repeat(2048 - 20)}`)).toBe(true);
  expect(validate(`https://example.com/${'a'.repeat(2048 - 19)}`)).toBe(false);
  expect(validate(`http://[${'1:'.repeat(500_000)}`)).toBe(false);
});
