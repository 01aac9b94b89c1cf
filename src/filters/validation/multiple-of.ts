/**
 * The keyword `multipleOf`, by the decimals that people write.
 *
 * Thread: any (pure). ajv divides doubles: by that 0.07 and 19.99 are no multiples of 0.01, which
 * documents ask of amounts of money.
 */
import type { Ajv } from 'ajv';
import { type CodeWriter, replaceKeyword } from './own-keyword.js';

/** Puts it in the place of ajv's own. The error is the same. */
export function useDecimalMultipleOf(ajv: Ajv, { _, str }: CodeWriter): void {
  replaceKeyword(ajv, {
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    error: {
      message: ({ schemaCode }) => str`must be multiple of ${schemaCode}`,
      params: ({ schemaCode }) => _`{multipleOf: ${schemaCode}}`,
    },
    code: (context) => {
      const { gen, data, schemaCode } = context;
      const find = { ref: isMultipleOf, code: _`own.isMultipleOf` };
      context.fail(_`!${gen.scopeValue('func', find)}(${data}, ${schemaCode})`);
    },
  });
}

/** Whether the shortest decimal of `value` is a whole multiple of that of `divisor`. */
export function isMultipleOf(value: number, divisor: number): boolean {
  if (Number.isInteger(divisor)) return value % divisor === 0;
  // Beyond all numbers, which JSON can write and a double cannot hold.
  if (!Number.isFinite(value)) return false;
  const [digits, exponent] = decimalOf(value);
  const [unit, unitExponent] = decimalOf(divisor);
  const shift = 10n ** BigInt(Math.abs(exponent - unitExponent));
  return exponent >= unitExponent ? (digits * shift) % unit === 0n : digits % (unit * shift) === 0n;
}

/** `digits` times ten to the power of `exponent`. */
function decimalOf(value: number): [digits: bigint, exponent: number] {
  const [number = '', power = '0'] = String(value).split('e');
  const [whole = '', fraction = ''] = number.split('.');
  return [BigInt(whole + fraction), Number(power) - fraction.length];
}
