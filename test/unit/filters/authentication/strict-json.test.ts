import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeCanonical,
  parseStrictObject,
} from '../../../../src/filters/authentication/strict-json.js';

const parse = (text: string) => parseStrictObject(Buffer.from(text, 'utf8'));

describe('parseStrictObject', () => {
  it.each([
    '{"sub":"a","sub":"b"}',
    '{"sub":"a","sub":"a"}',
    '{"sub":"a","\\u0073ub":"b"}',
    `{"sub":"a","sub"${' '.repeat(500)}:"b"}`,
    '{"sub":"a", "x":{"y":1,"z":[{"q":1,"q":2}]}}',
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
    '{"a\\"":1,"a\\"":2}',
  ])('refuses a name that stands twice: %s', (text) => {
    expect(parse(text)).toBeUndefined();
  });

  it.each(['[]', '"a"', '1', 'null', 'true', '', '{', '{} {}', '{"a":}', '\ufeff{}'])(
    'refuses what is no object: %s',
    (text) => {
      expect(parse(text)).toBeUndefined();
    },
  );

  it('refuses bytes that are not UTF-8', () => {
    expect(parseStrictObject(Buffer.from('{"a":"\xff"}', 'latin1'))).toBeUndefined();
  });

  it('refuses nesting beyond reason', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(parse(nested(31))).toBeDefined();
    expect(parse(nested(32))).toBeUndefined();
    expect(parse(nested(2000))).toBeUndefined();
  });

  it('takes the same name at several places, and text that looks like names', () => {
    const text = '{"a":{"a":"a"},"b":["a","a",{"a":1},{"a":2}],"c":"\\"a\\":1,\\"a\\":2"}';
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it('reads whatever object JSON.stringify has written', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (value) => {
        const text = JSON.stringify(value);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('decodeCanonical', () => {
  it('takes the one spelling of some bytes and no other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64url');
        expect(decodeCanonical(text)).toEqual(Buffer.from(bytes));
        for (const other of [`${text}=`, `${text} `, ` ${text}`, `${text}\n`, `${text}?`]) {
          expect(decodeCanonical(other)).toBeUndefined();
        }
      }),
    );
  });

  it('refuses bits that no byte takes', () => {
    expect(decodeCanonical('AB')).toBeUndefined();
    expect(decodeCanonical('AA')).toEqual(Buffer.from([0]));
  });
});
