import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHUNK_BAD,
  CHUNK_DATA,
  CHUNK_END,
  CHUNK_MORE,
  ChunkedDecoder,
} from '../../../../src/wire/http1/chunked-decoder.js';
import { cutAt } from '../../../support/reply-outcome.js';

interface Decoded {
  readonly data: string;
  readonly last: number;
  /** Bytes used up, of all that were given. */
  readonly used: number;
}

function decode(pieces: readonly Buffer[], decoder = new ChunkedDecoder()): Decoded {
  let data = '';
  let used = 0;
  let last = CHUNK_MORE;
  for (const piece of pieces) {
    let at = 0;
    do {
      last = decoder.step(piece, at, piece.length);
      if (last === CHUNK_DATA) {
        data += piece.toString('latin1', decoder.dataStart, decoder.dataEnd);
      }
      used += decoder.at - at;
      // Else it would never end.
      if (last === CHUNK_DATA) expect(decoder.at).toBeGreaterThan(at);
      at = decoder.at;
    } while (last === CHUNK_DATA && at < piece.length);
    if (last === CHUNK_END || last === CHUNK_BAD) break;
  }
  return { data, last, used };
}

const extension = fc.constantFrom('', '', ';a', ';a=b', ';a="b;\\"c"', ';a;b=c');
const chunks = fc.array(
  fc.record({
    data: fc
      .string({ minLength: 1, maxLength: 40 })
      .map((text) => Buffer.from(text).toString('hex')),
    extension,
    zeros: fc.constantFrom('', '0', '000'),
  }),
  { maxLength: 6 },
);
const trailer = fc.constantFrom('', 'a: b\r\n', 'A:\r\nB: \tc \r\n');

describe('a chunked body', () => {
  it('is the data of its chunks, however it is cut, and ends where it ends', () => {
    fc.assert(
      fc.property(
        chunks,
        trailer,
        fc.array(fc.nat(400), { maxLength: 10 }),
        (list, trailers, places) => {
          const text = list.map(
            ({ data, extension, zeros }) =>
              `${zeros}${data.length.toString(16)}${extension}\r\n${data}\r\n`,
          );
          const body = `${text.join('')}0\r\n${trailers}\r\n`;
          const bytes = Buffer.from(`${body}GARBAGE`, 'latin1');
          expect(decode(cutAt(bytes, places))).toEqual({
            data: list.map(({ data }) => data).join(''),
            last: CHUNK_END,
            used: body.length,
          });
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('has one meaning for any bytes, and always comes to an end', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.array(fc.constantFrom(...Buffer.from('\r\n\r\n05aF;="\\ xg:')), { maxLength: 80 }),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(80), { maxLength: 20 }), (list, places) => {
        const whole = Buffer.from(list);
        const { data, last } = decode([whole]);
        const cut = decode(cutAt(whole, places));
        expect(cut.data).toBe(data);
        const isOpen = (verdict: number): boolean =>
          verdict === CHUNK_MORE || verdict === CHUNK_DATA;
        if (isOpen(last)) expect(isOpen(cut.last)).toBe(true);
        else expect(cut.last).toBe(last);
      }),
      { numRuns: 5000 },
    );
  });

  it('hands out views, not copies', () => {
    const bytes = Buffer.from('5\r\nhello\r\n0\r\n\r\n');
    const decoder = new ChunkedDecoder();
    expect(decoder.step(bytes, 0, bytes.length)).toBe(CHUNK_DATA);
    expect([decoder.dataStart, decoder.dataEnd]).toEqual([3, 8]);
  });

  it('begins anew after reset(), even in the middle of another one', () => {
    const decoder = new ChunkedDecoder();
    decode([Buffer.from('ff;a="b')], decoder);
    decoder.reset();
    expect(decode([Buffer.from('2\r\nok\r\n0\r\n\r\n')], decoder)).toMatchObject({
      ...{ data: 'ok', last: CHUNK_END },
    });
  });

  it('has sizes of at most 13 digits', () => {
    expect(decode([Buffer.from('0000000000002\r\nok\r\n0\r\n\r\n')]).last).toBe(CHUNK_END);
    expect(decode([Buffer.from('00000000000002\r\nok\r\n0\r\n\r\n')]).last).toBe(CHUNK_BAD);
  });
});
