import { describe, expect, it } from 'vitest';
import type { CompiledConfig } from '../../../src/config/compiled-config.js';
import { placeConfig, rowsInUse } from '../../../src/config/shared/place-config.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { openConfig, type SharedConfig } from '../../../src/config/shared/shared-config.js';
import { uniteConfigs } from '../../../src/config/shared/unite-configs.js';
import { EpochTable } from '../../../src/supervisor/epoch-table.js';
import { compileConfig } from '../../support/compile-config.js';

/** One upstream with a target at each port, one route with a limit. */
function compile(limit: number, ...ports: number[]): CompiledConfig {
  return compileConfig({
    upstreams: { api: { targets: ports.map((port) => ({ url: `http://127.0.0.1:${port}` })) } },
    routes: [
      { name: 'all', match: { path: '/*' }, upstream: 'api', rateLimit: { limit, window: '1m' } },
    ],
  });
}

const rowsOf = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, at) => first + at);

/** What a swap does to the table. */
function swap(epochTable: EpochTable, next: CompiledConfig, held: readonly number[]) {
  const shared = place(epochTable, next);
  const plan = epochTable.plan(shared, (epoch) => held.includes(epoch));
  const united = uniteConfigs(plan.members.map(({ config }) => config));
  return { placed: openConfig(shared), united, freed: epochTable.take(plan) };
}

function place(epochTable: EpochTable, next: CompiledConfig): SharedConfig {
  const version = epochTable.beginVersion();
  return placeConfig(shareConfig(next), rowsInUse(version.versions), version);
}

function aTable(first: CompiledConfig): EpochTable {
  return new EpochTable(shareConfig(first));
}

const portsOf = (config: Pick<CompiledConfig, 'targets'>): string[] =>
  config.targets.map(({ hostPort }) => hostPort.replace('127.0.0.1:', ''));

describe('the table of epochs', () => {
  it('keeps what the coordinator answers for: the new, the one before, and those held', () => {
    const epochTable = aTable(compile(1, 1));
    const { united } = swap(epochTable, compile(1, 2), [1]);
    expect(portsOf(united)).toEqual(['1', '2']);
    expect(portsOf(swap(epochTable, compile(1, 3), [1, 2]).united)).toEqual(['1', '2', '3']);
    expect(portsOf(swap(epochTable, compile(1, 4), [2, 3]).united)).toEqual(['2', '3', '4']);
    expect(epochTable.epochs).toEqual([2, 3, 4]);
    expect(epochTable.current.epoch).toBe(4);
  });

  it('lets the splits rest that only a version on trial has', () => {
    const ramped = (name: string): CompiledConfig =>
      compileConfig({
        upstreams: {
          one: { targets: [{ url: 'http://127.0.0.1:1' }] },
          two: { targets: [{ url: 'http://127.0.0.1:2' }] },
        },
        routes: [
          {
            name,
            match: { path: '/*' },
            upstreams: [{ name: 'one' }, { name: 'two' }],
            split: { ramp: { from: 1, to: 100, over: '1h' } },
          },
        ],
      });
    const epochTable = aTable(ramped('old'));
    const plan = epochTable.planTrial(place(epochTable, ramped('new')), () => false);
    const { rollouts } = uniteConfigs(plan.members.map(({ config }) => config));
    expect(rollouts.map(({ route, isResting }) => [route, isResting])).toEqual([
      ['new', true],
      ['old', false],
    ]);
  });

  it('frees a row only when no version has it, and gives it out only then', () => {
    const epochTable = aTable(compile(1, 1, 2));
    const second = swap(epochTable, compile(2, 1, 3), [1]);
    expect(second.freed).toMatchObject({ targets: [], limiters: [] });
    expect(second.placed.targets.map(({ index }) => index)).toEqual([0, 2]);
    const third = swap(epochTable, compile(3, 1, 4), []);
    // Nobody holds the first version; the second was in force until now.
    expect(third.freed).toMatchObject({ targets: [1], upstreams: [0], limiters: [0] });
    expect(third.placed.targets.map(({ index }) => index)).toEqual([0, 3]);
    const fourth = swap(epochTable, compile(4, 1, 5), []);
    expect(fourth.placed.targets.map(({ index }) => index)).toEqual([0, 1]);
    expect(fourth.freed.targets).toEqual([2]);
  });

  it('gives back the rows of a version that is still held, and a new key space to nobody twice', () => {
    const epochTable = aTable(compile(1, 1));
    const first = epochTable.current.limiters.at(0);
    const { placed: other } = swap(epochTable, compile(2, 1), [1]);
    const { placed: again } = swap(epochTable, compile(1, 1), [1, 2]);
    expect(again.limiters.at(0)).toEqual(first);
    swap(epochTable, compile(3, 1), []);
    swap(epochTable, compile(4, 1), []);
    const { placed: late } = swap(epochTable, compile(1, 1), []);
    const spaces = [first, other.limiters.at(0), late.limiters.at(0)].map((one) => one?.keySpace);
    expect(new Set(spaces).size).toBe(3);
  });

  it('knows which rows a version keeps that nobody has: what is in them is of nobody', () => {
    const found = (maxTargets: number): CompiledConfig =>
      compileConfig({
        upstreams: { api: { targets: { file: 'targets.json', maxTargets } } },
        routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
      });
    const epochTable = aTable(compile(1, 1));
    const next = place(epochTable, found(1));
    expect(epochTable.newSlots(next.settings)).toEqual(rowsOf(1, 9));
    swap(epochTable, found(1), [1]);
    expect(epochTable.newSlots(place(epochTable, found(1)).settings)).toEqual([]);
    expect(epochTable.newSlots(place(epochTable, found(3)).settings)).toEqual(rowsOf(10, 2));
    // A version that somebody holds has its rows.
    swap(epochTable, compile(1, 1), [2]);
    expect(epochTable.newSlots(place(epochTable, found(1)).settings)).toEqual([]);
  });

  it('changes nothing for a version that never comes into force', () => {
    const epochTable = aTable(compile(1, 1));
    const refused = place(epochTable, compile(2, 7));
    epochTable.plan(refused, () => true);
    expect(epochTable.epochs).toEqual([1]);
    const { placed } = swap(epochTable, compile(3, 8), []);
    expect(placed.epoch).toBe(3);
    expect(placed.targets[0]?.index).toBe(1);
  });
});
