import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FRAME_END,
  FRAME_HEAD,
  FRAMES_MORE,
  FrameScanner,
  NO_CLOSE_CODE,
} from '../../../../src/wire/websocket/frame-scanner.js';
import {
  BINARY,
  CLOSE,
  closeOf,
  cutAt,
  type FrameWish,
  frameOf,
  MASK,
  PING,
  TEXT,
} from '../../../support/websocket-frames.js';

/** What a scanner tells of these pieces, with places counted from the first byte of all. */
function eventsOf(pieces: readonly Uint8Array[], scanner = new FrameScanner()): string[] {
  const events: string[] = [];
  let before = 0;
  for (const piece of pieces) {
    scanner.begin(piece);
    for (let event = scanner.next(); event !== FRAMES_MORE; event = scanner.next()) {
      const { opcode, isFinal, payloadBytes, headStart, at, closeCode } = scanner;
      if (event === FRAME_HEAD) {
        events.push(`${before + headStart}: ${opcode} ${isFinal} ${payloadBytes}`);
      } else if (event === FRAME_END) {
        events.push(`${before + at}: end${opcode === CLOSE ? ` ${closeCode}` : ''}`);
      }
    }
    before += piece.length;
  }
  return events;
}

const frame: fc.Arbitrary<FrameWish> = fc.record({
  opcode: fc.nat({ max: 15 }),
  isFinal: fc.boolean(),
  payload: fc.uint8Array({ maxLength: 300 }),
  reserved: fc.constantFrom(0, 0x40, 0x70),
}) as fc.Arbitrary<FrameWish>;
const maskedFrame = fc
  .tuple(frame, fc.boolean(), fc.constantFrom(undefined, 2 as const, 8 as const))
  .map(([wish, isMasked, lengthBytes]) => ({
    ...wish,
    ...(isMasked && { mask: MASK }),
    ...(lengthBytes !== undefined && { lengthBytes }),
  }));

describe('a scanner of frames', () => {
  it('tells each frame and its end', () => {
    const bytes = [frameOf({ payload: 'ab', mask: MASK }), frameOf({ opcode: PING })];
    expect(eventsOf([Buffer.concat(bytes)])).toEqual([
      `0: ${TEXT} true 2`,
      '8: end',
      `8: ${PING} true 0`,
      '10: end',
    ]);
  });

  it.each([125, 126, 65_535, 65_536])('reads a length of %i', (size) => {
    const payload = Buffer.alloc(size);
    const bytes = frameOf({ payload });
    expect(eventsOf([bytes])).toEqual([`0: ${TEXT} true ${size}`, `${bytes.length}: end`]);
  });

  it('tells the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(maskedFrame, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (frames, places) => {
          const bytes = Buffer.concat(frames.map(frameOf));
          const whole = eventsOf([bytes]);
          expect(whole).toHaveLength(frames.length * 2);
          expect(eventsOf(cutAt(bytes, places))).toEqual(whole);
          expect(eventsOf([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ['4001', closeOf(4001, 'bye', MASK)],
    ['1000', closeOf(1000)],
    [`${NO_CLOSE_CODE}`, frameOf({ opcode: CLOSE })],
    [`${NO_CLOSE_CODE}`, frameOf({ opcode: CLOSE, payload: 'a', mask: MASK })],
  ])('reads the code %s of a Close', (code, bytes) => {
    expect(eventsOf([bytes]).at(-1)).toBe(`${bytes.length}: end ${code}`);
  });

  it('is at a border between frames only', () => {
    const scanner = new FrameScanner();
    const bytes = frameOf({ payload: 'abc', mask: MASK });
    expect(scanner.isAtBorder).toBe(true);
    for (const [at, byte] of bytes.entries()) {
      eventsOf([Buffer.from([byte])], scanner);
      expect(scanner.isAtBorder).toBe(at === bytes.length - 1);
      expect(scanner.partialHeadBytes).toBe(at < 5 ? at + 1 : 0);
    }
  });

  it('is lost behind the head of a frame whose end cannot be counted', () => {
    const scanner = new FrameScanner();
    const bytes = Buffer.from([0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 1, 0x81, 0]);
    const head = `0: ${BINARY} true ${0xff * 2 ** 56}`;
    expect(eventsOf([bytes, frameOf()], scanner)).toEqual([head]);
    expect(scanner.isAtBorder).toBe(false);
  });
});
