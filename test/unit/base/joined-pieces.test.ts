import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JoinedPieces } from '../../../src/base/joined-pieces.js';

function add(joined: JoinedPieces, pieces: Buffer[], bytes: Buffer): void {
  joined.add(pieces, bytes);
  bytes.fill('!');
}

it('keeps all bytes in order, whatever is taken from the front and put there by others', () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 1, max: 6000 }) }),
    fc.record({ take: fc.integer({ min: 1, max: 5000 }) }),
    fc.constant('other' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const joined = new JoinedPieces();
      let pieces: Buffer[] = [];
      let [given, taken, letter] = ['', '', 0];
      for (const one of steps) {
        letter = (letter + 1) % 26;
        const [first] = pieces;
        if (one === 'other') {
          given += 'other';
          pieces = [...pieces, Buffer.from('other')];
        } else if ('add' in one) {
          const bytes = Buffer.alloc(one.add, 97 + letter);
          given += bytes.toString('latin1');
          add(joined, pieces, bytes);
        } else if (first !== undefined) {
          taken += first.toString('latin1', 0, one.take);
          if (first.length <= one.take) pieces.shift();
          else pieces[0] = first.subarray(one.take);
        }
      }
      expect(taken + Buffer.concat(pieces).toString('latin1')).toBe(given);
    }),
  );
});

it('makes few pieces of many bytes that come one by one, and none where nothing waits', () => {
  const joined = new JoinedPieces();
  const pieces: Buffer[] = [];
  expect(joined.tryAdd(pieces, Buffer.from('x'))).toBe(false);
  for (let at = 0; at < 100_000; at += 1) add(joined, pieces, Buffer.from('y'));
  expect(pieces.length).toBeLessThan(30);
  expect(joined.tryAdd(pieces, Buffer.alloc(4096))).toBe(false);
});
