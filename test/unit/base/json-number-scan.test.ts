import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonNumberScan, NO_NUMBER } from '../../../src/base/json-number-scan.js';
import { pointerKeys } from '../../../src/base/json-pointer.js';

function find(pointer: string, text: string, pieceBytes = text.length): number {
  const scan = new JsonNumberScan(pointerKeys(pointer));
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    scan.push(bytes, from, Math.min(bytes.length, from + pieceBytes));
  }
  return scan.value;
}

describe('a number in JSON that passes', () => {
  it.each([
    ['/usage/total_tokens', '{"id":"x","usage":{"prompt":1,"total_tokens": 42 },"z":[1]}', 42],
    ['/usage/total_tokens', '{"usage":null}', NO_NUMBER],
    ['/usage/total_tokens', '{"usage":{"total_tokens":null}}', NO_NUMBER],
    ['/usage/total_tokens', '{"usage":{"total_tokens":"42"}}', NO_NUMBER],
    ['/usage/total_tokens', '{"usage":{"total_tokens":-4}}', NO_NUMBER],
    ['/usage/total_tokens', '{"usage":{"total_tokens":{"total_tokens":4}}}', NO_NUMBER],
    ['/usage/total_tokens', '{"other":{"total_tokens":4}}', NO_NUMBER],
    ['/usage/total_tokens', '{"a":{"usage":{"total_tokens":4}}}', NO_NUMBER],
    ['/usage/total_tokens', '{"usage":[{"total_tokens":4}]}', NO_NUMBER],
    ['/usage/total_tokens', '{"usage":{"total_tokens":4', NO_NUMBER],
    ['/usage/total_tokens', '{"usage":{"x":{},"y":[[]],"total_tokens":4,', 4],
    ['/usage/total_tokens', '[DONE]', NO_NUMBER],
    [
      '/usage/total_tokens',
      '{"text":"\\"usage\\":{\\"total_tokens\\":9}","usage":{"total_tokens":7}}',
      7,
    ],
    ['/usage/total_tokens', '{"text":"}}]],{","usage":{"total_tokens":7}}', 7],
    ['/usage/total_tokens', '{"\\u0075sage":{"total_tokens":7}}', 7],
    ['/usage/total_tokens', '{"usage":{"total_tokens":1},"usage":{"total_tokens":2}}', 2],
    ['/usage/total_tokens', '{"usage":{"total_tokens":1.5e3}}', 1500],
    ['/calls/1/cost', '{"calls":[{"cost":1},{"cost":2},{"cost":3}]}', 2],
    ['/calls/1/cost', '{"calls":[[{"cost":9},{"cost":9}],{"cost":2}]}', 2],
    ['/0', '[5,6]', 5],
    ['/1', '[[7,8],6]', 6],
    ['/a~1b/m~0n', '{"a/b":{"m~n":3}}', 3],
    ['/', '{"":8}', 8],
  ])('%s of %s', (pointer, text, expected) => {
    expect(find(pointer, text)).toBe(expected);
    expect(find(pointer, text, 1)).toBe(expected);
    expect(find(pointer, text, 3)).toBe(expected);
  });

  it('is what JSON.parse finds, whatever stands around it and wherever it is cut', () => {
    const document = fc.record({ before: fc.jsonValue(), after: fc.jsonValue() });
    fc.assert(
      fc.property(document, fc.nat(1e9), fc.integer({ min: 1, max: 9 }), (around, cost, bytes) => {
        const { before, after } = around;
        const text = JSON.stringify({ before, usage: { before, cost, after }, after });
        expect(find('/usage/cost', text, bytes)).toBe(cost);
        expect(find('/usage/none', text, bytes)).toBe(NO_NUMBER);
      }),
    );
  });

  it('gives up what is nested too deeply, without more memory', () => {
    expect(find('/a', `${'['.repeat(1_000_000)}`)).toBe(NO_NUMBER);
    expect(find('/a', `{"${'x'.repeat(1_000_000)}":1,"a":2}`)).toBe(2);
    expect(find('/a', `{"a":${'1'.repeat(1_000_000)}}`)).toBe(NO_NUMBER);
  });
});
