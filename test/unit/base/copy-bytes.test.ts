import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { copyBytes, copyOfBytes } from '../../../src/base/copy-bytes.js';

const LENGTHS = [0, 1, 255, 256, 257, 4096, 65_536, 70_001];

describe('copies of bytes', () => {
  it.each(LENGTHS)('have all %i bytes, and touch none beside them', (length) => {
    const all = randomBytes(length + 16);
    for (const isShared of [true, false]) {
      for (const sourceAt of [0, 3]) {
        for (const targetAt of [8, 13]) {
          const memory = isShared
            ? new SharedArrayBuffer(length + 32)
            : new ArrayBuffer(length + 32);
          const target = Buffer.from(memory);
          const source = all.subarray(sourceAt, sourceAt + length);
          copyBytes(source, target, targetAt);
          expect(target.subarray(targetAt, targetAt + length).equals(source)).toBe(true);
          expect(target.subarray(0, targetAt).every((byte) => byte === 0)).toBe(true);
          expect(target.subarray(targetAt + length).every((byte) => byte === 0)).toBe(true);
          expect(copyOfBytes(target.subarray(targetAt, targetAt + length)).equals(source)).toBe(
            true,
          );
        }
      }
    }
  });

  it('do not change with what they were taken from', () => {
    const source = Buffer.from(new SharedArrayBuffer(1000)).fill('a');
    const copy = copyOfBytes(source);
    source.fill('b');
    expect(copy.every((byte) => byte === 0x61)).toBe(true);
  });

  it('of more than the target holds is a mistake, and is not cut', () => {
    expect(() => copyBytes(Buffer.alloc(300), Buffer.alloc(299), 0)).toThrow(RangeError);
    expect(() => copyBytes(Buffer.alloc(30), Buffer.alloc(29), 0)).toThrow(RangeError);
  });
});
