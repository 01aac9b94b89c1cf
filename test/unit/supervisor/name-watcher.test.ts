import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/base/clock.js';
import type { Duration } from '../../../src/base/quantities.js';
import { NameWatcher } from '../../../src/supervisor/name-watcher.js';
import { compileConfig } from '../../support/compile-config.js';
import { recordingLogger } from '../../support/recording-logger.js';

const SECOND = 1000;

type Answer = readonly string[] | Error | Promise<readonly string[]>;

function configOf(upstreams: Record<string, { names: string[]; interval: Duration }>) {
  return compileConfig({
    upstreams: {
      plain: { targets: [{ url: 'http://plain.test:80' }] },
      ...Object.fromEntries(
        Object.entries(upstreams).map(([name, { names, interval }]) => [
          name,
          { targets: names.map((host) => ({ url: `http://${host}:80` })), resolve: { interval } },
        ]),
      ),
    },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'plain' }],
  });
}

describe('the watch over names', () => {
  let answers: Map<string, Answer>;
  let asked: string[];
  let logged: string[];
  let applied: string[][];
  let refusal: string;
  let watcher: NameWatcher;

  const at = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  const known = () => [...watcher.addresses].map(([name, all]) => [name, ...all].join(' '));

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    answers = new Map();
    asked = [];
    logged = [];
    applied = [];
    refusal = '';
    const options = {
      clock: { ...systemClock, nowMs: Date.now },
      lookup: async (name: string) => {
        asked.push(name);
        const answer = answers.get(name) ?? new Error('no such name');
        if (answer instanceof Error) throw answer;
        return answer;
      },
      logger: recordingLogger(({ msg }) => logged.push(msg)),
      apply: async () => {
        applied.push(known());
        return refusal;
      },
    };
    watcher = new NameWatcher(options);
  });

  afterEach(() => {
    watcher.stop();
    vi.useRealTimers();
  });

  it('asks each name at once and then each interval, and tells only of changes', async () => {
    answers.set('a.test', ['10.0.0.2', '10.0.0.1']);
    watcher.adopt(configOf({ api: { names: ['a.test'], interval: '10s' } }));
    await at(0);
    expect(applied).toEqual([['a.test 10.0.0.1 10.0.0.2']]);
    answers.set('a.test', ['10.0.0.1', '10.0.0.2', '10.0.0.1']);
    await at(30 * SECOND);
    expect(asked).toHaveLength(4);
    expect(applied).toHaveLength(1);
    answers.set('a.test', ['10.0.0.3']);
    await at(10 * SECOND);
    expect(applied.at(-1)).toEqual(['a.test 10.0.0.3']);
  });

  it('asks for nothing where nobody wants it', async () => {
    watcher.adopt(configOf({}));
    await at(3600 * SECOND);
    expect(asked).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps what it knew while a name is not known, says so once, and asks more often', async () => {
    answers.set('a.test', ['10.0.0.1']);
    watcher.adopt(configOf({ api: { names: ['a.test'], interval: '1h' } }));
    await at(0);
    for (const failure of [new Error('EAI_AGAIN'), [], ['fe80::1%lo'], new Error('ENOTFOUND')]) {
      answers.set('a.test', failure);
      await at(asked.length === 1 ? 3600 * SECOND : 5 * SECOND);
      expect(known()).toEqual(['a.test 10.0.0.1']);
    }
    expect(asked).toHaveLength(5);
    expect(logged.filter((one) => one === 'target name cannot be looked up')).toHaveLength(1);
    expect(watcher.status()).toMatchObject([{ name: 'a.test', failure: 'ENOTFOUND' }]);
    answers.set('a.test', ['10.0.0.1']);
    await at(5 * SECOND);
    expect(logged.at(-1)).toBe('target name can be looked up again');
    expect(watcher.status()).toMatchObject([{ failure: null, ageMs: 0 }]);
    expect(applied).toHaveLength(1);
    await at(3599 * SECOND);
    expect(asked).toHaveLength(6);
  });

  it('goes on with other names while one gives no answer', async () => {
    answers.set('slow.test', new Promise(() => {}));
    answers.set('a.test', ['10.0.0.1']);
    watcher.adopt(configOf({ api: { names: ['slow.test', 'a.test'], interval: '1s' } }));
    await at(0);
    expect(applied).toEqual([['a.test 10.0.0.1']]);
    answers.set('a.test', ['10.0.0.2']);
    await at(SECOND);
    expect(applied.at(-1)).toEqual(['a.test 10.0.0.2']);
    expect(asked.filter((name) => name === 'slow.test')).toHaveLength(1);
  });

  it('follows another configuration: new names at once, other intervals from the last', async () => {
    answers.set('a.test', ['10.0.0.1']);
    answers.set('b.test', ['10.0.0.2']);
    watcher.adopt(configOf({ api: { names: ['a.test'], interval: '1h' } }));
    await at(20 * SECOND);
    watcher.adopt(configOf({ api: { names: ['a.test', 'b.test'], interval: '30s' } }));
    await at(0);
    expect(asked).toEqual(['a.test', 'b.test']);
    await at(10 * SECOND);
    expect(asked).toEqual(['a.test', 'b.test', 'a.test']);
    watcher.adopt(configOf({ api: { names: ['b.test'], interval: '30s' } }));
    expect(known()).toEqual(['b.test 10.0.0.2']);
    await at(20 * SECOND);
    expect(asked).toEqual(['a.test', 'b.test', 'a.test', 'b.test']);
    // One of two upstreams is in a hurry.
    watcher.adopt(
      configOf({
        api: { names: ['b.test'], interval: '1h' },
        other: { names: ['b.test'], interval: '2s' },
      }),
    );
    await at(2 * SECOND);
    expect(asked).toHaveLength(5);
  });

  it('ignores an answer for a name that nobody has any more', async () => {
    let answer: (found: string[]) => void = () => {};
    answers.set('a.test', new Promise((resolve) => (answer = resolve)));
    watcher.adopt(configOf({ api: { names: ['a.test'], interval: '1s' } }));
    await at(0);
    watcher.adopt(configOf({}));
    answer(['10.0.0.1']);
    await at(5 * SECOND);
    expect(applied).toEqual([]);
    expect(asked).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('uses some of ten thousand addresses, and says that it does so once', async () => {
    const many = Array.from({ length: 10_000 }, (_, at) => `10.1.${at >> 8}.${at & 255}`);
    answers.set('a.test', many);
    watcher.adopt(configOf({ api: { names: ['a.test'], interval: '1s' } }));
    await at(3 * SECOND);
    expect(watcher.addresses.get('a.test')).toHaveLength(64);
    expect(watcher.status()).toMatchObject([{ leftOutCount: 9936 }]);
    const told = 'target name has more addresses than can be used';
    expect(logged.filter((one) => one === told)).toHaveLength(1);
    expect(applied).toHaveLength(1);
  });

  it('tries again what was refused, and says why once', async () => {
    refusal = 'no rows left';
    answers.set('a.test', ['10.0.0.1']);
    watcher.adopt(configOf({ api: { names: ['a.test'], interval: '1s' } }));
    await at(3 * SECOND);
    expect(applied).toHaveLength(4);
    const told = 'addresses of targets refused, the old ones stay in force';
    expect(logged.filter((one) => one === told)).toHaveLength(1);
    refusal = '';
    await at(3 * SECOND);
    expect(applied).toHaveLength(5);
  });

  it('does nothing more once it is stopped', async () => {
    let answer: (found: string[]) => void = () => {};
    answers.set('a.test', new Promise((resolve) => (answer = resolve)));
    watcher.adopt(configOf({ api: { names: ['a.test'], interval: '1s' } }));
    await at(0);
    watcher.stop();
    answer(['10.0.0.1']);
    await at(10 * SECOND);
    watcher.adopt(configOf({ api: { names: ['b.test'], interval: '1s' } }));
    await at(10 * SECOND);
    expect([asked, applied, logged]).toEqual([['a.test'], [], []]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
