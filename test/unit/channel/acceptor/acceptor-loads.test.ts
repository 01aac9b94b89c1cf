/** What acceptors tell each other of their loads. */
import { expect, it } from 'vitest';
import { AcceptorLoads, allocateLoads } from '../../../../src/channel/acceptor/acceptor-loads.js';

function two(): readonly [AcceptorLoads, AcceptorLoads] {
  const memory = allocateLoads(2);
  return [new AcceptorLoads(memory, 0), new AcceptorLoads(memory, 1)];
}

it('counts the connections of each listener by itself, over all acceptors', () => {
  const [one, other] = two();
  expect(one.setOpenAt(0, 3)).toBe(3);
  expect(other.setOpenAt(0, 4)).toBe(7);
  expect(other.setOpenAt(255, 1)).toBe(1);
  expect([one.setOpen(2), one.setOpenAt(255, 0)]).toEqual([2, 1]);
});

it('forgets listeners that are no longer in force, of this acceptor', () => {
  const [one, other] = two();
  for (const loads of [one, other]) for (const row of [3, 4]) loads.setOpenAt(row, 5);
  one.keepListeners(new Set([4]));
  expect(other.setOpenAt(3, 0)).toBe(0);
  expect(other.setOpenAt(4, 0)).toBe(5);
});

it('sums what waits for clients, beyond what 32 bits can count', () => {
  const [one, other] = two();
  const bytes = 5 * 1024 ** 3;
  expect(one.setUnsent(bytes)).toBe(bytes);
  expect(other.setUnsent(1)).toBe(bytes + 1024);
});

it('has nothing of an acceptor that has ended, and all of the others', () => {
  const [one, other] = two();
  for (const loads of [one, other]) {
    loads.beat();
    loads.setOpen(1);
    loads.setOpenAt(7, 1);
    loads.setInFlight(1);
    loads.setUnsent(1024);
  }
  one.clear();
  expect([one.beats(), one.open, one.inFlight, other.allInFlight]).toEqual([0, 0, 0, 1]);
  expect([other.setOpen(1), other.setOpenAt(7, 1), other.setUnsent(1024)]).toEqual([1, 1, 1024]);
});
