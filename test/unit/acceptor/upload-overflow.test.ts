import fc from 'fast-check';
import { expect, it } from 'vitest';
import { UploadOverflow } from '../../../src/acceptor/upload-overflow.js';

/** All that it has, as it comes out where `room` bytes are taken at a time. */
function taken(overflow: UploadOverflow, room: number): string[] {
  const found: string[] = [];
  while (!overflow.isEmpty) {
    overflow.trySendFirst((piece, isLast) => {
      const part = Buffer.from(piece.subarray(0, room));
      const isEnd = isLast && part.length === piece.length;
      found.push(`${part.toString('latin1')}${isEnd ? ' end' : ''}`);
      return part.length;
    });
  }
  return found;
}

it('gives back what it got, in order, whatever is taken in between', () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 1, max: 6000 }) }),
    fc.record({ take: fc.integer({ min: 1, max: 9000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const overflow = new UploadOverflow();
      let [given, came, letter] = ['', '', 0];
      const send = (bytes: number) => (piece: Uint8Array) => {
        const part = Buffer.from(piece.subarray(0, bytes));
        came += part.toString('latin1');
        return part.length;
      };
      for (const one of steps) {
        if ('take' in one) overflow.trySendFirst(send(one.take));
        else {
          letter = (letter + 1) % 26;
          const bytes = Buffer.alloc(one.add, 97 + letter);
          overflow.add(bytes, false);
          given += bytes.toString('latin1');
          bytes.fill('!');
        }
      }
      expect(came + taken(overflow, 1e9).join('')).toBe(given);
    }),
    { numRuns: 100 },
  );
});

it('puts bytes that come one by one together, and the end goes with the last of them', () => {
  const overflow = new UploadOverflow();
  for (const byte of 'abcdef') overflow.add(Buffer.from(byte), false);
  overflow.add(Buffer.alloc(0), true);
  expect(taken(overflow, 4)).toEqual(['a', 'bcde', 'f end']);
  overflow.add(Buffer.from('g'), true);
  expect(taken(overflow, 4)).toEqual(['g end']);
});

it('gives memory back once where it is dropped while its last piece is taken', () => {
  for (const left of [0, 1]) {
    const overflow = new UploadOverflow();
    overflow.add(Buffer.alloc(512 * 1024, 'a'), true);
    overflow.trySendFirst(({ length }) => {
      overflow.drop();
      return length - left;
    });
    expect(overflow.isEmpty).toBe(true);
    const [one, other] = [new UploadOverflow(), new UploadOverflow()];
    one.add(Buffer.alloc(512 * 1024, 'b'), true);
    other.add(Buffer.alloc(512 * 1024, 'c'), true);
    expect(taken(one, 1 << 20)[0]?.[0]).toBe('b');
    expect(taken(other, 1 << 20)[0]?.[0]).toBe('c');
  }
});
