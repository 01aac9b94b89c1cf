/** A key that is there as long as its node is, in a store that the test plays. */
import { beforeEach, describe, expect, it } from 'vitest';
import { KeptPresence } from '../../../../src/supervisor/sources/kept-presence.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { settled } from '../../../support/fake-threads.js';

let clock: FakeClock;
let isAway: boolean;
let begun: number;
/** Holds that the store knows. */
let known: Set<number>;
/** The text under the key, and its hold. */
let stored: { text: string; held: number } | null;

class PlayedPresence extends KeptPresence<number> {
  protected override async begin(): Promise<number> {
    if (isAway) throw new Error('away');
    begun += 1;
    known.add(begun);
    return begun;
  }

  protected override async keepUp(held: number): Promise<boolean> {
    if (isAway) throw new Error('away');
    return known.has(held);
  }

  protected override async put(held: number, text: string): Promise<boolean> {
    if (isAway) throw new Error('away');
    if (!known.has(held)) return false;
    stored = { text, held };
    return true;
  }

  protected override async end(held: number): Promise<void> {
    expire(held);
  }
}

function expire(held: number): void {
  known.delete(held);
  if (stored?.held === held) stored = null;
}

async function later(): Promise<void> {
  clock.advance(5000);
  await settled();
}

let presence: PlayedPresence;

beforeEach(async () => {
  clock = new FakeClock();
  [isAway, begun, known, stored] = [false, 0, new Set(), null];
  presence = new PlayedPresence(clock);
  presence.tell('one');
  await settled();
});

describe('a key that is kept', () => {
  it('has the last text, under one hold', async () => {
    expect(stored).toEqual({ text: 'one', held: 1 });
    presence.tell('two');
    await settled();
    await later();
    expect([stored, begun]).toEqual([{ text: 'two', held: 1 }, 1]);
  });

  it('is written again, untold, when its hold is gone', async () => {
    expire(1);
    expect(stored).toBeNull();
    await later();
    expect(stored).toEqual({ text: 'one', held: 2 });
  });

  it('is written under another hold when what is told meets one that is gone', async () => {
    expire(1);
    presence.tell('two');
    await settled();
    expect(stored).toEqual({ text: 'two', held: 2 });
  });

  it('is written when the store is back', async () => {
    isAway = true;
    expire(1);
    presence.tell('two');
    await settled();
    await later();
    expect(stored).toBeNull();
    isAway = false;
    await later();
    expect(stored).toEqual({ text: 'two', held: 2 });
  });

  it('is written again when the store was away, though nothing was told', async () => {
    isAway = true;
    await later();
    expire(1);
    isAway = false;
    await later();
    expect(stored).toEqual({ text: 'one', held: 2 });
  });

  it('goes with its node, and is not written any more', async () => {
    await presence.stop();
    expect(stored).toBeNull();
    presence.tell('two');
    await later();
    expect([stored, begun]).toEqual([null, 1]);
    expect(clock.timerCount).toBe(0);
  });
});
