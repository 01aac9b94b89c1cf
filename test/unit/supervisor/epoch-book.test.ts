import { describe, expect, it } from 'vitest';
import { compileConfig } from '../../../src/config/compile/compile-config.js';
import type { CompiledConfig } from '../../../src/config/compiled-config.js';
import { EpochBook } from '../../../src/supervisor/epoch-book.js';

/** One upstream with a target at each port, one route with a limit. */
function compile(limit: number, ...ports: number[]): CompiledConfig {
  return compileConfig({
    upstreams: { api: { targets: ports.map((port) => ({ url: `http://127.0.0.1:${port}` })) } },
    routes: [
      { name: 'all', match: { path: '/*' }, upstream: 'api', rateLimit: { limit, window: '1m' } },
    ],
  });
}

/** What a swap does to the book. */
function swap(book: EpochBook, next: CompiledConfig, held: readonly number[]) {
  const placed = book.place(next);
  const plan = book.plan(placed, (epoch) => held.includes(epoch));
  return { placed, united: plan.united, freed: book.take(plan) };
}

const portsOf = (config: CompiledConfig): string[] =>
  config.targets.map(({ hostPort }) => hostPort.replace('127.0.0.1:', ''));

describe('the book of versions', () => {
  it('keeps what the coordinator answers for: the new, the one before, and those held', () => {
    const book = new EpochBook(compile(1, 1));
    const { united } = swap(book, compile(1, 2), [1]);
    expect(portsOf(united)).toEqual(['1', '2']);
    expect(portsOf(swap(book, compile(1, 3), [1, 2]).united)).toEqual(['1', '2', '3']);
    expect(portsOf(swap(book, compile(1, 4), [2, 3]).united)).toEqual(['2', '3', '4']);
    expect(book.epochs).toEqual([2, 3, 4]);
    expect(book.current.epoch).toBe(4);
  });

  it('frees a row only when no version has it, and gives it out only then', () => {
    const book = new EpochBook(compile(1, 1, 2));
    const second = swap(book, compile(2, 1, 3), [1]);
    expect(second.freed).toMatchObject({ targets: [], limiters: [] });
    expect(second.placed.targets.map(({ index }) => index)).toEqual([0, 2]);
    const third = swap(book, compile(3, 1, 4), []);
    // Nobody holds the first version; the second was in force until now.
    expect(third.freed).toMatchObject({ targets: [1], upstreams: [0], limiters: [0] });
    expect(third.placed.targets.map(({ index }) => index)).toEqual([0, 3]);
    const fourth = swap(book, compile(4, 1, 5), []);
    expect(fourth.placed.targets.map(({ index }) => index)).toEqual([0, 1]);
    expect(fourth.freed.targets).toEqual([2]);
  });

  it('gives back the rows of a version that is still held, and a new key space to nobody twice', () => {
    const book = new EpochBook(compile(1, 1));
    const [first] = book.current.limiters;
    const { placed: other } = swap(book, compile(2, 1), [1]);
    const { placed: again } = swap(book, compile(1, 1), [1, 2]);
    expect(again.limiters[0]).toEqual(first);
    swap(book, compile(3, 1), []);
    swap(book, compile(4, 1), []);
    const { placed: late } = swap(book, compile(1, 1), []);
    const spaces = [first, other.limiters[0], late.limiters[0]].map((one) => one?.keySpace);
    expect(new Set(spaces).size).toBe(3);
  });

  it('changes nothing for a version that never comes into force', () => {
    const book = new EpochBook(compile(1, 1));
    const refused = book.place(compile(2, 7));
    book.plan(refused, () => true);
    expect(book.epochs).toEqual([1]);
    const { placed } = swap(book, compile(3, 8), []);
    expect(placed.epoch).toBe(3);
    expect(placed.targets[0]?.index).toBe(1);
  });
});
