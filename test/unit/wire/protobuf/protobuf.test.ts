import { describe, expect, it } from 'vitest';
import { ProtoError, ProtoMessage } from '../../../../src/wire/protobuf/proto-reader.js';
import { ProtoWriter } from '../../../../src/wire/protobuf/proto-writer.js';

describe('messages of Protocol Buffers', () => {
  it('are written as the specification has them', () => {
    // The examples of the page "Encoding" of protobuf.dev.
    expect(new ProtoWriter().number(1, 150).finish().toString('hex')).toBe('089601');
    expect(new ProtoWriter().bytes(2, 'testing').finish().toString('hex')).toBe(
      '120774657374696e67',
    );
    const inner = new ProtoWriter().number(1, 150);
    expect(new ProtoWriter().message(3, inner).finish().toString('hex')).toBe('1a03089601');
  });

  it('leave defaults out, but not an empty message', () => {
    const writer = new ProtoWriter().number(1, 0).bytes(2, '').flag(3, false);
    expect(writer.message(4, new ProtoWriter()).finish().toString('hex')).toBe('2200');
  });

  it('are read as they were written', () => {
    const most = 2n ** 64n - 1n;
    const inner = new ProtoWriter().bytes(1, 'é');
    const written = new ProtoWriter()
      .number(1, 2 ** 53 - 1)
      .number(2, most)
      .number(20, 1)
      .message(5, inner)
      .message(5, new ProtoWriter());
    const read = new ProtoMessage(written.finish());
    expect(read.number(1)).toBe(2 ** 53 - 1);
    expect([read.bigint(2), read.number(2)]).toEqual([most, -1]);
    expect([read.flag(20), read.flag(21), read.has(5), read.has(6)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(read.messages(5).map((one) => one.text(1))).toEqual(['é', '']);
    expect(read.message(5).text(1)).toBe('');
  });

  it('may have fields of fixed length', () => {
    const bytes = Buffer.from('0901000000000000000d02000000', 'hex');
    expect([new ProtoMessage(bytes).bigint(1)]).toEqual([2n]);
  });

  it.each([
    ['a field that is cut', '1205ab'],
    ['a number that is cut', '0896'],
    ['a number of eleven bytes', `08${'ff'.repeat(10)}01`],
    ['a length beyond all bytes', '12ffffffffffffffff7f'],
    ['a group', '0b0c'],
    ['a fixed field that is cut', '090102'],
  ])('are refused with %s', (_what, hex) => {
    expect(() => new ProtoMessage(Buffer.from(hex, 'hex'))).toThrow(ProtoError);
  });
});
