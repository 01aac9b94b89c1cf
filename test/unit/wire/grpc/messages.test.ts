import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { field, joinFields } from '../../../../src/base/field-block.js';
import { frameMessage, MessageScanner } from '../../../../src/wire/grpc/message-scanner.js';
import {
  decodeWebText,
  encodeWebText,
  frameTrailers,
} from '../../../../src/wire/grpc/web-codec.js';

/** The stream in pieces that end at these places. */
function cut(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((at) => at % (stream.length + 1)), stream.length].sort((a, b) => a - b);
  return ends.map((end, at) => stream.subarray(ends[at - 1] ?? 0, end));
}

const MESSAGES = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
const CUTS = fc.array(fc.nat(300), { maxLength: 12 });

describe('the scanner of messages', () => {
  it('counts the same wherever the stream is cut', () => {
    fc.assert(
      fc.property(MESSAGES, CUTS, (messages, cuts) => {
        const scanner = new MessageScanner();
        for (const piece of cut(Buffer.concat(messages.map(frameMessage)), cuts)) {
          expect(scanner.scan(piece, 40)).toBe(true);
        }
        expect(scanner.count).toBe(messages.length);
        expect(scanner.isPartial).toBe(false);
        expect(scanner.largest).toBe(Math.max(0, ...messages.map(({ length }) => length)));
      }),
    );
  });

  it('finds a message that is too long by its prefix, before any of it has come', () => {
    const scanner = new MessageScanner();
    expect(scanner.scan(frameMessage(Buffer.alloc(10)), 10)).toBe(true);
    expect(scanner.scan(Buffer.from([0, 0, 0, 0]), 10)).toBe(true);
    expect(scanner.scan(Buffer.from([11]), 10)).toBe(false);
  });

  it('knows lengths beyond 31 bits', () => {
    const scanner = new MessageScanner();
    expect(scanner.scan(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), 2 ** 31)).toBe(false);
  });

  it('says when the stream ends inside a message', () => {
    const scanner = new MessageScanner();
    scanner.scan(Buffer.from([0, 0, 0, 0, 2, 1]), 10);
    expect(scanner.isPartial).toBe(true);
    scanner.scan(Buffer.from([1]), 10);
    expect(scanner.isPartial).toBe(false);
    scanner.scan(Buffer.from([0]), 10);
    expect(scanner.isPartial).toBe(true);
  });
});

describe('gRPC-Web', () => {
  it('has trailers as a last frame with names in lower case', () => {
    const fields = joinFields(field('Grpc-Status', '0'), field('x-a', 'b: c'));
    const text = 'grpc-status: 0\r\nx-a: b: c\r\n';
    expect(frameTrailers(fields)).toEqual(
      Buffer.concat([Buffer.from([0x80, 0, 0, 0, text.length]), Buffer.from(text)]),
    );
  });

  it('reads base64 that was flushed anywhere', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (pieces) => {
        const text = Buffer.concat(pieces.map((piece) => encodeWebText(Buffer.from(piece))));
        expect(decodeWebText(text)).toEqual(Buffer.concat(pieces));
      }),
    );
  });

  it('reads a body that was flushed a thousand times, and none of as many flushes as bytes', () => {
    expect(decodeWebText(Buffer.from('AA=='.repeat(1000)))).toEqual(Buffer.alloc(1000));
    expect(decodeWebText(Buffer.from('AA=='.repeat(5000)))).toBeNull();
  });

  it.each(['A', 'AAA', 'A===', '====', 'AA=A', 'AAAA====', 'AAA\n', '-_AA', 'AA==A'])(
    'refuses %j',
    (text) => {
      expect(decodeWebText(Buffer.from(text))).toBeNull();
    },
  );
});
