import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isMultipleOf } from '../../../src/filters/validation/multiple-of.js';
import { evaluateSchema } from '../../../src/filters/validation/schema-code.js';
import { schemaCode } from '../../../src/filters/validation/schema-engine.js';
import { runs } from '../../support/long-form.js';

it.each([
  [0.01, [0.07, 19.99, 4.35, -0.07, 0, 1e21, 1e300, 999999999.99], [0.071, 1e-300, 19.999]],
  [1, [7, 0, -3, 1e21, 1e300], [7.5, 1e-9]],
  [2.5, [5, 7.5, 1e20], [4, 5.1]],
  [1e-8, [0.123, 12391239123], [1e-9, 0.123456789]],
  [0.123456789, [0.123456789, 1.23456789], [1e308]],
])('tells multiples of %d by their decimals', (divisor, good, bad) => {
  const validate = evaluateSchema(schemaCode({ multipleOf: divisor }, '2020-12', 'json'));
  expect(good.filter((value) => !validate(value))).toEqual([]);
  expect(bad.filter((value) => validate(value))).toEqual([]);
  expect(validate.errors).toMatchObject([
    { keyword: 'multipleOf', message: `must be multiple of ${divisor}` },
  ]);
  expect(validate(Number.POSITIVE_INFINITY)).toBe(false);
});

it('takes every amount of cents, and none with a tenth of one', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e11, max: 1e11 }), (cents) => {
      const amount = Number(`${cents}e-2`);
      expect(isMultipleOf(amount, 0.01)).toBe(true);
      expect(isMultipleOf(Number(`${cents}1e-3`), 0.01)).toBe(false);
    }),
    runs(200),
  );
});
