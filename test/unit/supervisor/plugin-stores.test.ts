/** The stores of plugins: exact, apart from each other, and bounded. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { StoreOperation } from '../../../src/channel/plugins/plugin-messages.js';
import { PluginStores } from '../../../src/supervisor/plugin-stores.js';

let nowMs = 0;
let stores: PluginStores;

beforeEach(() => {
  nowMs = 1000;
  stores = new PluginStores(() => nowMs);
});

function run(operation: StoreOperation, plugin = 'one'): unknown {
  const answer = stores.answer({ id: 1, plugin, operation });
  return 'problem' in answer ? answer.problem : answer.value;
}

const get = (key: string, plugin?: string): unknown => run({ kind: 'get', key }, plugin);
const set = (key: string, value: string, lifeMs = 0): unknown =>
  run({ kind: 'set', key, value, lifeMs });

describe('a store', () => {
  it('keeps values for their time, for their plugin alone', () => {
    set('a', '1', 50);
    expect([get('a'), get('a', 'two')]).toEqual(['1', null]);
    nowMs += 50;
    expect(get('a')).toBeNull();
  });

  it('counts from the first time on, and says what cannot be counted', () => {
    const add = (key: string, by: number): unknown =>
      run({ kind: 'increment', key, by, lifeMs: 100 });
    expect([add('n', 1), add('n', 2)]).toEqual([1, 3]);
    nowMs += 99;
    expect(add('n', 1)).toBe(4);
    nowMs += 1;
    expect(add('n', 1)).toBe(1);
    set('text', 'x');
    expect(add('text', 1)).toMatch(/no integer/);
    expect(add('n', 0.5)).toMatch(/no integer/);
  });

  it('sets what is as expected only', () => {
    const swap = (expected: string | null, value: string): unknown =>
      run({ kind: 'compareAndSet', key: 'a', expected, value, lifeMs: 0 });
    expect([swap('1', '2'), swap(null, '1'), swap(null, '2'), swap('1', '2'), get('a')]).toEqual([
      ...[false, true, false, true, '2'],
    ]);
    expect([run({ kind: 'delete', key: 'a' }), run({ kind: 'delete', key: 'a' })]).toEqual([
      ...[true, false],
    ]);
  });

  it('refuses more keys and characters than it may have, until some have ended', () => {
    for (let at = 0; at < 10_000; at += 1) set(`k${at}`, '', at === 0 ? 10 : 0);
    expect(set('more', '')).toMatch(/full/);
    expect(set('k5', 'x')).toBeNull();
    nowMs += 10;
    expect(set('more', '')).toBeNull();
    expect(set('x'.repeat(257), '')).toMatch(/256/);
    expect(set('k5', 'x'.repeat(65_537))).toMatch(/65536/);
    let problem: unknown = null;
    for (let at = 0; at < 70 && problem === null; at += 1)
      problem = set(`k${at + 1}`, 'x'.repeat(65_536));
    expect(problem).toMatch(/full/);
  });

  it('goes with its plugin', () => {
    set('a', '1');
    stores.keepOnly(new Set(['two']));
    expect(get('a')).toBeNull();
  });
});
