import { describe, expect, it } from 'vitest';
import { InFlightTable } from '../../../src/acceptor/in-flight-table.js';
import { AcceptorLoads, allocateLoads } from '../../../src/channel/acceptor/acceptor-loads.js';
import { aDownstream } from '../../support/downstream.js';
import { FakeClock } from '../../support/fake-clock.js';

const CLIENT = aDownstream();

function aTable() {
  const clock = new FakeClock();
  return { clock, table: new InFlightTable(2, clock) };
}

describe('the wait for the last exchange', () => {
  it('is over at once when nothing is in flight', async () => {
    const { clock, table } = aTable();
    expect(await table.whenEmpty(1000)).toBe(true);
    expect(clock.timerCount).toBe(0);
  });

  it('ends with the last exchange, and leaves no timer', async () => {
    const { clock, table } = aTable();
    const [one, other] = [table.tryAdd(CLIENT, 0), table.tryAdd(CLIENT, 0)];
    let answer: boolean | null = null;
    const wait = table.whenEmpty(1000).then((isEmpty) => {
      answer = isEmpty;
    });
    table.remove(one);
    await Promise.resolve();
    expect(answer).toBe(null);
    table.remove(other);
    await wait;
    expect(answer).toBe(true);
    expect(clock.timerCount).toBe(0);
  });

  it('ends at its deadline, and not before', async () => {
    const { clock, table } = aTable();
    const index = table.tryAdd(CLIENT, 0);
    let answer: boolean | null = null;
    const wait = table.whenEmpty(1000).then((isEmpty) => {
      answer = isEmpty;
    });
    clock.advance(999);
    await Promise.resolve();
    expect(answer).toBe(null);
    clock.advance(1);
    await wait;
    expect(answer).toBe(false);
    // An exchange that ends later finds nobody who waits.
    table.remove(index);
    expect(table.inFlight).toBe(0);
  });
});

describe('an exchange in flight', () => {
  it('is not found again once it has ended, though its place is used again', () => {
    const { table } = aTable();
    const index = table.tryAdd(CLIENT, 0);
    const generation = table.generationOf(index);
    expect(table.find(index, generation)).toBe(CLIENT);
    table.remove(index);
    expect(table.tryAdd(CLIENT, 0)).toBe(index);
    expect(table.find(index, generation)).toBe(null);
    expect(table.find(index, table.generationOf(index))).toBe(CLIENT);
  });

  it('has a place as long as there is one', () => {
    const { table } = aTable();
    expect(table.tryAdd(CLIENT, 0)).toBe(0);
    expect(table.tryAdd(CLIENT, 1)).toBe(1);
    expect(table.tryAdd(CLIENT, 1)).toBe(-1);
    expect(table.inFlight).toBe(2);
    table.remove(0);
    expect(table.tryAdd(CLIENT, 1)).toBe(0);
  });
});

/** Does something of another acceptor behind every look at the sum. */
class WatchedLoads extends AcceptorLoads {
  behindLook = (): void => {};

  override get allInFlight(): number {
    const sum = super.allInFlight;
    const { behindLook } = this;
    this.behindLook = () => {};
    behindLook();
    return sum;
  }
}

function severalTables() {
  const memory = allocateLoads(3);
  const make = (place: number) => {
    const loads = new WatchedLoads(memory, place);
    const cell = { loads, addresses: null, acceptorCount: 3, incarnation: 0 };
    return { loads, table: new InFlightTable(4, new FakeClock(), cell) };
  };
  return [make(0), make(1), make(2)] as const;
}

describe('exchanges of several acceptors', () => {
  it('are as many as the bound together, whoever has them', () => {
    const [one, two, three] = severalTables();
    const places = [one, one, two, three].map(({ table }) => table.tryAdd(CLIENT, 0));
    expect(places).toEqual([0, 1, 0, 0]);
    expect([one, two, three].map(({ table }) => table.tryAdd(CLIENT, 0))).toEqual([-1, -1, -1]);
    expect(one.table.inFlightOfAll).toBe(4);
    one.table.remove(1);
    expect(three.table.tryAdd(CLIENT, 0)).toBe(1);
    expect(one.table.tryAdd(CLIENT, 0)).toBe(-1);
  });

  it('are never more when two take the last place at once', () => {
    const [one, two, three] = severalTables();
    for (const { table } of [one, two, three]) table.tryAdd(CLIENT, 0);
    let other = 0;
    one.loads.behindLook = () => {
      other = two.table.tryAdd(CLIENT, 0);
    };
    expect([one.table.tryAdd(CLIENT, 0), other]).toEqual([1, -1]);
    expect(two.table.inFlightOfAll).toBe(4);
  });

  it('leave their places when their acceptor dies', () => {
    const [one, two] = severalTables();
    for (let count = 0; count < 4; count++) one.table.tryAdd(CLIENT, 0);
    expect(two.table.tryAdd(CLIENT, 0)).toBe(-1);
    one.loads.clear();
    expect(two.table.tryAdd(CLIENT, 0)).toBe(0);
  });
});
