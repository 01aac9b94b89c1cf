/**
 * Random histories of whole exchanges: requests under limits and breakers, retries and hedges,
 * uploads and slow readers, clients that leave, targets that fail, threads that die or hang, and
 * reloads; checked after each step, and when all has come to its end.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { isReplay, playSeedsInTurn } from '../seeds.js';
import { installFuses } from '../write-fuse.js';
import { ends, play, totals } from './histories.js';

describe('a whole gateway', () => {
  beforeAll(installFuses);

  it('gives every request one end, and forgets nothing, while all goes well', async () => {
    await playSeedsInTurn(30, (seed) => play(seed, { failures: 0, faults: 0, isFused: false }));
  });

  it('does so when targets fail and clients leave', async () => {
    await playSeedsInTurn(40, (seed) => play(seed, { failures: 0.25, faults: 0, isFused: false }));
  });

  it('does so when threads die and hang, and through reloads', async () => {
    await playSeedsInTurn(50, (seed) =>
      play(seed, { failures: 0.1, faults: 0.15, isFused: false }),
    );
    if (isReplay()) return;
    expect(totals.reloads).toBeGreaterThan(10);
    expect(totals.moved).toBeGreaterThan(0);
  });

  it('does so when coordinators are killed after any write', async () => {
    await playSeedsInTurn(15, (seed) => play(seed, { failures: 0.1, faults: 0.2, isFused: true }));
    if (isReplay()) return;
    for (const end of ['200', '429', '503', 'left', 'cut'])
      expect(ends.get(end)).toBeGreaterThan(0);
  });

  it('does the same again for the same seed', async () => {
    const mishaps = { failures: 0.2, faults: 0.2, isFused: false };
    const [one, other] = [await play(7, mishaps), await play(7, mishaps)];
    expect(other.digest).toBe(one.digest);
    expect(other.steps).toBe(one.steps);
  });
});
