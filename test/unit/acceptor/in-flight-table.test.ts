import { describe, expect, it } from 'vitest';
import { InFlightTable } from '../../../src/acceptor/in-flight-table.js';
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
    const [one, other] = [table.add(CLIENT, 0), table.add(CLIENT, 0)];
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
    const index = table.add(CLIENT, 0);
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
    const index = table.add(CLIENT, 0);
    const generation = table.generationOf(index);
    expect(table.find(index, generation)).toBe(CLIENT);
    table.remove(index);
    expect(table.add(CLIENT, 0)).toBe(index);
    expect(table.find(index, generation)).toBe(null);
    expect(table.find(index, table.generationOf(index))).toBe(CLIENT);
  });

  it('has a place as long as there is one', () => {
    const { table } = aTable();
    table.add(CLIENT, 0);
    expect(table.isFull).toBe(false);
    table.add(CLIENT, 1);
    expect(table.isFull).toBe(true);
  });
});
