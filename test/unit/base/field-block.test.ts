import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  entriesOf,
  type FieldBlock,
  field,
  fieldsOfBytes,
  fieldsOfLines,
  firstValueOf,
  joinFields,
  NO_FIELDS,
  withoutFields,
} from '../../../src/base/field-block.js';

const name = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(..."aZ0-_.!'*") });
const value = fc
  .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff })))
  .map((codes) => String.fromCharCode(...codes));
const entries = fc.array(fc.tuple(name, value), { maxLength: 8 });

function blockOf(list: readonly (readonly [string, string])[]): FieldBlock {
  return list.map(([one, text]) => field(one, text)).reduce(joinFields, NO_FIELDS);
}

describe('a field block', () => {
  it('gives back the fields that were put into it, in order and as they were spelt', () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect([...entriesOf(blockOf(list))]).toEqual(list);
      }),
    );
  });

  it('is the same whether it is joined before or behind others', () => {
    fc.assert(
      fc.property(entries, entries, (first, second) => {
        expect(joinFields(blockOf(first), blockOf(second))).toBe(blockOf([...first, ...second]));
      }),
    );
  });

  it('is the part of an HTTP/1.1 head between its first line and the empty one', () => {
    const block = joinFields(field('Server', 'x'), field('X-Empty', ''));
    expect(`HTTP/1.1 200 OK${block}\r\n\r\n`).toBe(
      'HTTP/1.1 200 OK\r\nServer: x\r\nX-Empty: \r\n\r\n',
    );
    expect(NO_FIELDS).toBe('');
  });

  it('is read from lines of a head as they are, and from bytes of a lane', () => {
    const head = 'HTTP/1.1 200 OK\r\nA: 1\r\nB: \xe9\r\nC: 3\r\n\r\n';
    const block = fieldsOfLines(head, head.indexOf('A'), head.indexOf('\r\nC'));
    expect(block).toBe(joinFields(field('A', '1'), field('B', '\xe9')));
    const bytes = new Uint8Array(Buffer.from(`##${block}##`, 'latin1').subarray(2, -2));
    expect(fieldsOfBytes(bytes)).toBe(block);
  });

  it('finds the first value of a name, however that is spelt', () => {
    const block = blockOf([
      ['X-A', '1'],
      ['x-a', '2'],
    ]);
    expect(firstValueOf(block, 'x-a')).toBe('1');
    expect(firstValueOf(block, 'x')).toBe('');
    expect(firstValueOf(NO_FIELDS, 'x-a')).toBe('');
  });

  it('loses the fields that are named, and no others', () => {
    fc.assert(
      fc.property(entries, fc.array(name), (list, names) => {
        const lowerNames = new Set(names.map((one) => one.toLowerCase()));
        const kept = list.filter(([one]) => !lowerNames.has(one.toLowerCase()));
        expect(withoutFields(blockOf(list), lowerNames)).toBe(blockOf(kept));
      }),
    );
  });
});
