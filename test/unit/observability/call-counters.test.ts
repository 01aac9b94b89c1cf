/** Calls of gRPC, counted by method within a bound that clients cannot move. */
import { describe, expect, it } from 'vitest';
import { MergedFigures } from '../../../src/admin/merged-figures.js';
import { allocateCounters, CounterBlock } from '../../../src/channel/counter-block.js';
import { CallCounters, OTHER_CALLS } from '../../../src/observability/call-counters.js';
import { callsAt, counterCount } from '../../../src/observability/counters.js';

const SHAPE = { routes: 3, targets: 2, upstreams: 1 };
const START = callsAt(SHAPE);

function aBlock() {
  const memory = allocateCounters(counterCount(SHAPE));
  return { memory, calls: new CallCounters(new CounterBlock(memory), START) };
}

const sums = (...memories: readonly SharedArrayBuffer[]) =>
  new Map(new MergedFigures(memories, SHAPE).calls().map(({ name, counts }) => [name, counts]));

describe('calls', () => {
  it('are counted by method and code, and added up over threads', () => {
    const [one, other] = [aBlock(), aBlock()];
    one.calls.count('a.B/C', 0, true);
    one.calls.count('a.B/C', 14, true);
    other.calls.count('a.B/D', 0, true);
    other.calls.count('a.B/C', 0, true);
    const all = sums(one.memory, other.memory);
    expect(all.get('a.B/C')?.[0]).toBe(2);
    expect(all.get('a.B/C')?.[14]).toBe(1);
    expect(all.get('a.B/D')?.[0]).toBe(1);
  });

  it('of methods that no target has get no row, whatever a client makes up', () => {
    const { memory, calls } = aBlock();
    for (let at = 0; at < 1000; at += 1) calls.count(`x.Y/M${at}`, 12, false);
    calls.count('a.B/C', 0, true);
    const all = sums(memory);
    expect([...all.keys()]).toEqual([OTHER_CALLS, 'a.B/C']);
    expect(all.get(OTHER_CALLS)?.[12]).toBe(1000);
  });

  it('are bounded in number, and in the length of their names', () => {
    const { memory, calls } = aBlock();
    calls.count(`a.${'b'.repeat(200)}/C`, 0, true);
    for (let at = 0; at < 300; at += 1) calls.count(`a.B/M${at}`, 0, true);
    calls.count('a.B/M3', 77, true);
    const all = sums(memory);
    expect(all.size).toBe(128);
    expect(all.get(OTHER_CALLS)?.[0]).toBe(1 + 300 - 127);
    expect(all.get('a.B/M3')?.[2]).toBe(1);
  });

  it('go on where a thread before has stopped', () => {
    const { memory, calls } = aBlock();
    calls.count('a.B/C', 0, true);
    const next = new CallCounters(new CounterBlock(memory), START);
    next.count('a.B/C', 0, true);
    next.count('a.B/D', 0, true);
    expect([...sums(memory)].map(([name, counts]) => [name, counts[0]])).toEqual([
      [OTHER_CALLS, 0],
      ['a.B/C', 2],
      ['a.B/D', 1],
    ]);
  });
});
