import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PLAIN_TELLS_MAX, TellQueue } from '../../../../src/channel/coordinator/tell-queue.js';

function aTell(targetIndex: number, ticket: number) {
  return { targetIndex, ticket, outcome: 2, upstreamIndex: 7, inFlightTicket: 0, costs: null };
}

describe('tell queue', () => {
  it('gives tells back in the order in which they came, however it grows', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -40, max: 60 }), { maxLength: 40 }), (moves) => {
        const queue = new TellQueue();
        const naive: number[] = [];
        let next = 0;
        for (const move of moves) {
          for (let step = 0; step < move; step += 1) {
            queue.push(aTell(next, 1));
            naive.push(next);
            next += 1;
          }
          for (let step = 0; step < -move && naive.length > 0; step += 1) {
            const tell = aTell(-1, 0);
            queue.shiftInto(tell);
            expect(tell).toEqual(aTell(naive.shift() ?? Number.NaN, 1));
          }
          expect(queue.length).toBe(naive.length);
        }
      }),
    );
  });

  it('keeps as many plain tells as fit and no more, but every tell with a ticket', () => {
    const queue = new TellQueue();
    for (let count = 1; count < PLAIN_TELLS_MAX; count += 1) queue.push(aTell(1, 0));
    expect(queue).toMatchObject({ length: PLAIN_TELLS_MAX - 1, dropped: 0 });
    queue.push(aTell(1, 0));
    expect(queue).toMatchObject({ length: PLAIN_TELLS_MAX, dropped: 0 });
    queue.push(aTell(1, 0));
    queue.push(aTell(1, 99));
    expect(queue).toMatchObject({ length: PLAIN_TELLS_MAX + 1, dropped: 1 });
  });
});
