import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TunnelWay } from '../../../../src/worker/tunnel/tunnel-way.js';
import {
  CONTINUATION,
  closeOf,
  cutAt,
  frameOf,
  MASK,
  PING,
} from '../../../support/websocket-frames.js';

const OURS = closeOf(1008, 'ours');

/** A way that is written down; frames of more than `bytesMax` may not go on. */
function aWay(bytesMax = Number.POSITIVE_INFINITY, holdsHeads = bytesMax < 1e9) {
  const passed: Buffer[] = [];
  const closed: boolean[] = [];
  const way: TunnelWay = new TunnelWay(
    {
      judge: ({ scanner }) => {
        if (scanner.payloadBytes <= bytesMax) return 0;
        way.endWith(OURS);
        return 1009;
      },
      pass: (_, bytes) => void passed.push(Buffer.from(bytes)),
      onPeerClosed: () => void closed.push(true),
    },
    holdsHeads,
  );
  return { way, closed, text: () => Buffer.concat(passed) };
}

const frames = fc.array(
  fc
    .tuple(fc.nat({ max: 15 }), fc.uint8Array({ maxLength: 200 }), fc.boolean())
    .map(([opcode, payload, isMasked]) =>
      frameOf({ opcode, payload, ...(isMasked && { mask: MASK }) }),
    ),
  { minLength: 1, maxLength: 6 },
);
const places = fc.array(fc.nat(), { maxLength: 40 });

describe('a way of a tunnel', () => {
  it('lets everything go on unchanged, whether or not it holds heads back', () => {
    fc.assert(
      fc.property(frames, places, fc.boolean(), (list, cuts, holdsHeads) => {
        const bytes = Buffer.concat(list);
        const { way, text } = aWay(1e6, holdsHeads);
        for (const piece of cutAt(bytes, cuts)) way.take(piece);
        expect(text().equals(bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('puts a Close of ours at the first border that comes, and lets nothing follow it', () => {
    fc.assert(
      fc.property(frames, places, fc.nat(), (list, cuts, when) => {
        const bytes = Buffer.concat(list);
        const ends = list.map((_, at) => Buffer.concat(list.slice(0, at + 1)).length);
        const { way, text } = aWay();
        const pieces = cutAt(bytes, cuts);
        const first = when % (pieces.length + 1);
        let before = 0;
        for (const [at, piece] of pieces.entries()) {
          if (at === first) way.endWith(OURS);
          if (at < first) before += piece.length;
          way.take(piece);
        }
        if (first === pieces.length) way.endWith(OURS);
        const border = [0, ...ends].find((end) => end >= before) ?? -1;
        const closes = list.slice(0, ends.filter((end) => end <= border).length);
        const hasClosed = closes.some((one) => ((one[0] ?? 0) & 15) === 8);
        const expected = [bytes.subarray(0, border), ...(hasClosed ? [] : [OURS])];
        expect(text().toString('hex')).toBe(Buffer.concat(expected).toString('hex'));
      }),
      { numRuns: 500 },
    );
  });

  it('stops a frame that may not go on before its first byte, however it is cut', () => {
    const good = frameOf({ payload: 'ok', mask: MASK });
    const bad = frameOf({ payload: Buffer.alloc(400), mask: MASK });
    const more = frameOf({ payload: 'more', mask: MASK });
    fc.assert(
      fc.property(places, (cuts) => {
        const { way, text } = aWay(300);
        for (const piece of cutAt(Buffer.concat([good, bad, more]), cuts)) way.take(piece);
        expect(text().equals(Buffer.concat([good, OURS]))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('hears the Close of its peer also when nothing goes on any more', () => {
    const { way, closed } = aWay();
    way.endWith(OURS);
    way.take(frameOf({ payload: 'x', mask: MASK }));
    expect(closed).toEqual([]);
    way.take(closeOf(1000, '', MASK));
    expect(closed).toEqual([true]);
  });

  it('counts messages, and neither their further frames nor control frames', () => {
    const { way } = aWay();
    way.take(frameOf({ isFinal: false, payload: 'a' }));
    way.take(frameOf({ opcode: PING }));
    way.take(frameOf({ opcode: CONTINUATION, payload: 'b' }));
    way.take(frameOf());
    expect(way.messages).toBe(2);
  });
});
