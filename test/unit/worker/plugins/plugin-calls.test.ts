/** What calls of plugins cost them: budgets, strikes, and who is named when a worker hangs. */
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  allocatePlugins,
  PluginBoard,
  PluginBoardView,
} from '../../../../src/channel/plugins/plugin-board.js';
import type { CompiledPlugin } from '../../../../src/config/compiled-plugin.js';
import { PluginWatch } from '../../../../src/supervisor/plugin-watch.js';
import { FAILED, PluginCalls } from '../../../../src/worker/plugins/plugin-calls.js';
import { PluginInstances } from '../../../../src/worker/plugins/plugin-instances.js';
import { ProgramClient } from '../../../../src/worker/plugins/program-hooks.js';
import { StoreClient } from '../../../../src/worker/plugins/store-client.js';
import { collectGarbageUntil } from '../../../support/collect-garbage.js';
import { FakeClock } from '../../../support/fake-clock.js';

const NOBODY = { greet: () => undefined };
const LANE = 1;

const pluginOf = (parts: Partial<CompiledPlugin> = {}): CompiledPlugin => ({
  ...{ index: 3, name: 'one', key: 'one', program: '', modules: [] },
  ...{ options: {}, counters: ['own'] },
  ...{ isSkipped: false, cpuMs: 10, waitMs: 100, strikesMax: 3, bodyBytes: 1024 },
  ...parts,
});

let clock: FakeClock;
let view: PluginBoardView;
let calls: PluginCalls;
let parts: ConstructorParameters<typeof PluginCalls>[0];
const instance = { plugin: pluginOf(), hooks: {} };

beforeEach(() => {
  const memory = allocatePlugins(2);
  clock = new FakeClock();
  view = new PluginBoardView(memory);
  const board = new PluginBoard(memory, LANE);
  parts = { board, clock, logger: pino({ level: 'silent' }) };
  calls = new PluginCalls(parts);
});

const call = (hook: () => unknown): unknown => calls.call(instance, hook, NOBODY, undefined);

describe('a call', () => {
  it('says who runs while it runs, and nobody behind it', () => {
    let running = -1;
    call(() => {
      running = view.runningIn(LANE);
    });
    expect([running, view.runningIn(LANE), view.runningIn(0)]).toEqual([3, -1, -1]);
    expect(view.sumOf(3, 'calls')).toBe(1);
  });

  it('that works for longer than its budget counts, and is a strike', () => {
    const result = call(() => {
      clock.time.ms += 11;
      return 'done';
    });
    expect(result).toBe('done');
    expect([view.sumOf(3, 'slowCalls'), view.strikesOf(3), view.sumOf(3, 'busyMs')]).toEqual([
      1, 1, 11,
    ]);
  });

  it('that throws has failed, and puts its plugin out after its strikes', () => {
    for (let count = 0; count < 3; count += 1) {
      expect(view.isOut(3)).toBe(false);
      expect(
        call(() => {
          throw new Error('no');
        }),
      ).toBe(FAILED);
    }
    expect([view.isOut(3), view.reasonOf(3), calls.isOut(instance)]).toEqual([
      true,
      'strikes',
      true,
    ]);
  });

  it('has its strikes within a minute, or they are forgotten', () => {
    for (let count = 0; count < 8; count += 1) {
      call(() => Promise.reject.call(null as never));
      clock.time.ms += 40_000;
    }
    expect(view.isOut(3)).toBe(false);
  });
});

describe('a call that is waited for', () => {
  const wait = async (
    promise: Promise<unknown>,
    step: () => void = () => {},
  ): Promise<unknown[]> => {
    const done: unknown[] = [];
    const result = call(() => promise);
    calls.wait(instance, result as Promise<unknown>, (value) => void done.push(value));
    step();
    await new Promise((resolve) => setImmediate(resolve));
    return done;
  };

  it('names its plugin until the turn ends, and while nobody else is waited for', async () => {
    const done = await wait(Promise.resolve(1), () => {
      expect(view.runningIn(LANE)).toBe(3);
      clock.endTurn();
      expect(view.runningIn(LANE)).toBe(3);
      const other = { plugin: pluginOf({ index: 4 }), hooks: {} };
      calls.wait(other, new Promise(() => {}), () => {});
      expect(view.runningIn(LANE)).toBe(-1);
    });
    expect(done).toEqual([1]);
    expect(view.runningIn(LANE)).toBe(4);
  });

  it('fails when it is too late, once, whatever comes then', async () => {
    let resolve: (value: unknown) => void = () => {};
    const done = await wait(new Promise((settle) => (resolve = settle)), () => {
      clock.time.ms += 101;
      clock.fireNext();
      resolve('late');
    });
    expect(done).toEqual([FAILED]);
    expect(view.sumOf(3, 'lateCalls')).toBe(1);
    expect(clock.timerCount).toBe(0);
  });

  it('fails when it is rejected', async () => {
    expect(await wait(Promise.reject(new Error('no')))).toEqual([FAILED]);
    expect(view.sumOf(3, 'errors')).toBe(1);
  });
});

describe('the watch over plugins', () => {
  const watchOf = (): PluginWatch =>
    new PluginWatch({
      ...{ lanes: 2, logger: parts.logger, nowMs: clock.nowMs, unixMs: clock.unixMs },
      find: () => undefined,
      plugins: () => [pluginOf()],
    });

  it('puts out who makes a worker hang, and counts who is there when one dies', () => {
    const watch = watchOf();
    const board = new PluginBoard(watch.memory, LANE);
    expect(watch.onHang(LANE)).toBe(false);
    board.setWaiting(3);
    for (let count = 0; count < 2; count += 1) watch.onDeath(LANE);
    expect([watch.board.isOut(3), watch.board.strikesOf(3)]).toEqual([false, 2]);
    board.setRunning(3);
    expect(watch.onHang(0)).toBe(false);
    expect(watch.onHang(LANE)).toBe(true);
    expect([watch.board.reasonOf(3), watch.board.sumOf(3, 'lostWorkers')]).toEqual(['hang', 3]);
  });

  it('keeps what is known of a plugin that stays, and begins anew with one that is new', () => {
    const watch = watchOf();
    watch.board.putOut(3, 'hang');
    watch.board.putOut(5, 'hang');
    watch.begin([pluginOf(), pluginOf({ index: 5, key: 'other' })]);
    expect([watch.board.isOut(3), watch.board.isOut(5)]).toEqual([true, false]);
    watch.prove();
    watch.board.putOut(5, 'hang');
    expect(() => watch.prove()).toThrow(/makes workers hang/);
  });
});

describe('instances', () => {
  const clientsOf = (): ConstructorParameters<typeof PluginInstances>[2] => ({
    stores: new StoreClient(() => {}),
    program: new ProgramClient({ clock, post: () => {} }),
  });
  const moduleOf = (text: string) => [{ url: 'file:///x/one.js', code: text, imports: [] }];

  it('are freed when nobody uses them, over a hundred versions', async () => {
    const instances = new PluginInstances(parts, calls, clientsOf());
    let freed = 0;
    let unloaded = 0;
    Reflect.set(globalThis, 'onPluginUnload', () => {
      unloaded += 1;
    });
    const registry = new FinalizationRegistry(() => {
      freed += 1;
    });
    for (let version = 0; version < 100; version += 1) {
      const code =
        `const big = new Array(1e4).fill(${version});` +
        '__sluice.exports.default = { setup: () => ({ onRequest: () => big, ' +
        'onUnload: () => globalThis.onPluginUnload() }) };';
      const plugins = [pluginOf({ key: String(version), modules: moduleOf(code) })];
      const [made] = await instances.acquire(plugins, false);
      registry.register(made?.hooks ?? {}, version);
      instances.release(plugins);
    }
    await collectGarbageUntil(() => freed >= 90);
    expect(unloaded).toBe(100);
    expect(freed).toBeGreaterThanOrEqual(90);
  });

  it('go on where nothing has changed, and are one for several versions', async () => {
    const instances = new PluginInstances(parts, calls, clientsOf());
    const code = '__sluice.exports.default = { setup: () => ({}) };';
    const plugins = [pluginOf({ modules: moduleOf(code) })];
    const [first] = await instances.acquire(plugins, false);
    const [second] = await instances.acquire(plugins, false);
    instances.release(plugins);
    const [third] = await instances.acquire(plugins, false);
    expect(second === first && third === first).toBe(true);
  });

  it('are set up once for versions that are made at the same time', async () => {
    const instances = new PluginInstances(parts, calls, clientsOf());
    let unloaded = 0;
    Reflect.set(globalThis, 'onPluginUnload', () => {
      unloaded += 1;
    });
    const code =
      '__sluice.exports.default = { setup: async () => ({ ' +
      'onUnload: () => globalThis.onPluginUnload() }) };';
    const plugins = [pluginOf({ modules: moduleOf(code) })];
    const acquire = () => instances.acquire(plugins, false);
    const [first, second] = await Promise.all([acquire(), acquire()]);
    expect(first?.[0] === second?.[0]).toBe(true);
    instances.release(plugins);
    expect(unloaded).toBe(0);
    instances.release(plugins);
    expect(unloaded).toBe(1);
  });

  it('that cannot be set up refuse a version, or are put out where a worker has to serve', async () => {
    const instances = new PluginInstances(parts, calls, clientsOf());
    const code = '__sluice.exports.default = { setup: () => { throw new Error("no key"); } };';
    const plugins = [pluginOf({ modules: moduleOf(code) })];
    await expect(instances.acquire(plugins, false)).rejects.toThrow(/cannot be set up: no key/);
    expect(view.isOut(3)).toBe(false);
    expect((await instances.acquire(plugins, true))[0]?.hooks).toEqual({});
    expect(view.reasonOf(3)).toBe('setup');
  });
});
