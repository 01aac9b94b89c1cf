import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quoteJson } from '../../../src/base/json-text.js';

describe('quoteJson', () => {
  it('is what JSON.stringify makes of any text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary-ascii' }),
    );
    fc.assert(
      fc.property(text, (one) => {
        expect(quoteJson(one)).toBe(JSON.stringify(one));
      }),
    );
  });

  it('is that for each single character', () => {
    for (let code = 0; code < 0x1_0000; code++) {
      const text = String.fromCharCode(code);
      if (quoteJson(text) !== JSON.stringify(text)) expect(text).toBe(`U+${code.toString(16)}`);
    }
  });
});
