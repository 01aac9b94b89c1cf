/**
 * How acceptors share what waits at one socket, under a clock that the test moves: the kernel of
 * this test gives what waits to whoever polls, one connection a turn, to the first one first.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { SharedQueues } from '../../../src/acceptor/shared-queues.js';
import {
  AcceptorLoads,
  allocateLoads,
  FITNESS,
} from '../../../src/channel/acceptor/acceptor-loads.js';
import { FakeClock } from '../../support/fake-clock.js';

/** An acceptor of the test. */
class Taker {
  readonly loads: AcceptorLoads;
  readonly queues: SharedQueues;
  readonly clock: FakeClock;
  isPolling = true;
  /** It does something else, and comes to nothing. */
  isBusy = false;
  open = 0;

  constructor(memory: ReturnType<typeof allocateLoads>, place: number, time: { ms: number }) {
    this.clock = new FakeClock(time);
    this.loads = new AcceptorLoads(memory, place);
    this.loads.setFitness(FITNESS.serving);
    this.queues = new SharedQueues(this.loads, this.clock);
    const poll = (isWanted: boolean): void => {
      this.isPolling = isWanted;
    };
    this.queues.add({ poll });
  }

  setOpen(count: number): void {
    this.open = count;
    this.loads.setOpen(count);
  }

  take(): void {
    this.setOpen(this.open + 1);
    this.queues.onTaken();
  }
}

let takers: Taker[];
let time: { ms: number };
let waiting: number;
/** Something waits, and whoever could take it has left. */
let leftSinceMs: number;

function make(count: number): void {
  const memory = allocateLoads(count);
  time = { ms: 1000 };
  leftSinceMs = time.ms;
  takers = Array.from({ length: count }, (_, place) => new Taker(memory, place, time));
}

const at = (place: number): Taker => {
  const taker = takers[place];
  if (taker === undefined) throw new Error(`no acceptor ${place}`);
  return taker;
};

/** One turn of every event loop: each takes one connection, and the first one is first. */
async function turn(): Promise<void> {
  const before = waiting;
  for (const { clock, isBusy } of takers) {
    if (!isBusy) while (clock.fireNext());
  }
  for (const taker of takers) {
    if (waiting === 0 || taker.isBusy || !taker.isPolling) continue;
    waiting -= 1;
    taker.take();
  }
  for (const { clock, isBusy } of takers) if (!isBusy) clock.endTurn();
  // Calls go from thread to thread by the real event loop.
  await new Promise(setImmediate);
  const canTake = takers.some(({ isBusy, loads }) => !isBusy && loads.isServing);
  const isTaking = takers.some(({ isBusy, isPolling }) => !isBusy && isPolling);
  const isTaken = waiting === 0 || waiting < before;
  if (isTaken || !canTake || isTaking) leftSinceMs = time.ms;
  expect(time.ms - leftSinceMs).toBeLessThan(6);
}

const TURNS_PER_MS = 10;

async function pass(ms: number): Promise<void> {
  for (let count = 0; count < ms * TURNS_PER_MS; count++) {
    await turn();
    time.ms += 1 / TURNS_PER_MS;
  }
}

const counts = (): number[] => takers.map(({ open }) => open);
const spread = (): number => Math.max(...counts()) - Math.min(...counts());

beforeEach(() => {
  waiting = 0;
  make(2);
});

describe('acceptors at one socket', () => {
  it.each([2, 3, 8])(
    'have about as many as each other, of 64 at once: %i of them',
    async (count) => {
      make(count);
      waiting = 64;
      await pass(100);
      expect(waiting).toBe(0);
      expect(spread()).toBeLessThanOrEqual(6);
    },
  );

  it('let one that has begun anew catch up', async () => {
    at(0).setOpen(100);
    for (let count = 0; count < 90; count++) {
      waiting += 1;
      await pass(2);
    }
    expect(spread()).toBeLessThanOrEqual(100 / 8 + 8);
  });

  it('take all that waits while the one with the fewest is busy, in a short time', async () => {
    at(1).isBusy = true;
    waiting = 64;
    await pass(10);
    const soon = waiting;
    await pass(30);
    expect([soon > 32, waiting]).toEqual([true, 0]);
  });

  it('set no timer when nobody connects', async () => {
    waiting = 20;
    at(1).isBusy = true;
    await pass(300);
    expect(takers.map(({ clock, isPolling }) => [clock.timerCount, isPolling])).toEqual([
      [0, true],
      [0, true],
    ]);
  });

  it('set no timer where none has clearly more', async () => {
    for (let count = 0; count < 8; count++) at(count % 2).take();
    expect(takers.map(({ clock }) => clock.timerCount)).toEqual([0, 0]);
  });
});

describe('an acceptor that cannot serve', () => {
  beforeEach(() => {
    at(0).loads.setFitness(FITNESS.strained);
    at(0).queues.reconsider();
  });

  it('takes nothing while another one serves, however long', async () => {
    for (let count = 0; count < 50; count++) {
      waiting += 1;
      await pass(20);
    }
    expect(counts()).toEqual([0, 50]);
  });

  it('takes what comes when no other one serves any more', async () => {
    at(1).loads.clear();
    at(1).isBusy = true;
    waiting = 9;
    await pass(10);
    expect(counts()).toEqual([9, 0]);
  });

  it('is not waited for by others that have more', async () => {
    at(1).setOpen(50);
    waiting = 9;
    await pass(3);
    expect(counts()).toEqual([0, 59]);
  });

  it('takes part again when it serves again', async () => {
    at(0).loads.setFitness(FITNESS.serving);
    await pass(10);
    expect(at(0).isPolling).toBe(true);
  });
});

it('never leaves together with all others, whatever they have and in whichever order', async () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  make(4);
  for (let step = 0; step < 5000; step++) {
    const taker = at(random(4));
    const what = random(5);
    if (what === 0) taker.setOpen(random(60));
    else if (what === 1) {
      const fitness = random(3) === 0 ? FITNESS.strained : FITNESS.serving;
      taker.loads.setFitness(fitness);
      taker.queues.reconsider();
    } else if (what === 2) taker.isBusy = random(3) === 0;
    else waiting += random(6);
    await pass(1 + random(8));
  }
  for (const taker of takers) taker.isBusy = false;
  await pass(100);
  expect(waiting).toBe(0);
});

it('no longer counts as leaving when its last socket closes', async () => {
  const queue = { poll: (): void => {} };
  at(0).queues.add(queue);
  at(0).loads.setFitness(FITNESS.strained);
  at(0).queues.reconsider();
  expect(at(1).loads.tryLeave()).toBe(false);
  at(0).queues.remove(queue);
  expect(at(0).clock.timerCount).toBe(1);
});
