/** Pages of all routes leave places for client traffic, however many routes there are. */
import { expect, it } from 'vitest';
import { gatherPieces } from '../../../src/admin/handlers/gather-pieces.js';
import { MergedFigures } from '../../../src/admin/merged-figures.js';
import { allocateCounters } from '../../../src/channel/counter-block.js';
import { counterCount } from '../../../src/observability/counters.js';

function piecesOf(routes: number): string[] {
  const shape = { routes, targets: 1, upstreams: 1 };
  const count = counterCount(shape);
  const figures = new MergedFigures([allocateCounters(count)], shape);
  return [...figures.walkAll()];
}

it('the walk over all routes pauses once in 64 rows', () => {
  expect(piecesOf(64 * 4).length).toBe(4);
  expect(piecesOf(64 * 40).length).toBe(40);
});

it('a text is gathered over as many turns as it has pieces that each take all the time', async () => {
  let nowMs = 0;
  let turns = 0;
  let isOver = false;
  const countTurns = (): void => {
    turns += 1;
    if (!isOver) setImmediate(countTurns);
  };
  setImmediate(countTurns);
  function* pieces(): Generator<string> {
    for (let at = 0; at < 50; at += 1) {
      nowMs += 1;
      yield at % 2 === 0 ? '' : `${at} `;
    }
  }
  const text = await gatherPieces(pieces(), () => nowMs);
  isOver = true;
  expect(text.split(' ')).toHaveLength(26);
  expect(turns).toBeGreaterThanOrEqual(49);
});

it('a text of pieces that take no time is gathered in one turn', async () => {
  let turns = 0;
  const pending = setImmediate(() => {
    turns += 1;
  });
  expect(await gatherPieces(['a', '', 'b'], () => 0)).toBe('ab');
  expect(turns).toBe(0);
  clearImmediate(pending);
});
