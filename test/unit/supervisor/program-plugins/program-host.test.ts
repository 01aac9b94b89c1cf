import { expect, it, vi } from 'vitest';
import type { ProgramAsk } from '../../../../src/channel/plugins/program-calls.js';
import type { Plugin, PluginHooks } from '../../../../src/plugins/plugin.js';
import { ProgramHost } from '../../../../src/supervisor/program-plugins/program-host.js';

/** The row of a plugin is its place. */
function hostOf(...plugins: readonly PluginHooks[]): ProgramHost {
  const given = plugins.map(
    (hooks, row): Plugin<never> => ({ name: `${row}`, setup: () => hooks }),
  );
  const configured = given.map(({ name }, index) => ({ index, name, program: name, options: {} }));
  return new ProgramHost({
    board: {} as never,
    logger: {} as never,
    nowMs: () => 0,
    find: (file) => given[Number(file)],
    plugins: () => configured as never,
    store: () => ({}) as never,
  });
}

function ask(row: number, hook: 'onRequest' | 'onFinish'): ProgramAsk {
  const parts = { id: 1, exchange: 1, request: {} as never, reply: null, given: null };
  return { kind: 'call', row, hook, ...parts };
}

it('keeps what hooks have told each other for those that still run when the first has ended', async () => {
  let resolve = (): void => {};
  const promise = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  const seen: unknown[] = [];
  const host = hostOf(
    { onRequest: ({ state }) => void state.set('side', 'b') },
    {
      async onFinish(_result, request) {
        await promise;
        seen.push(request.state.get('side'));
      },
    },
  );
  await host.answer(0, ask(0, 'onRequest'));
  const finished = host.answer(0, ask(1, 'onFinish'));
  await new Promise(setImmediate);
  await host.answer(0, { kind: 'end', exchange: 1 });
  resolve();
  await finished;
  expect(seen).toEqual(['b']);
});

it('is not set up twice when one that is not used any more fails late', async () => {
  let [setups, unloads] = [0, 0];
  let fail = (_: Error): void => {};
  const first = new Promise<PluginHooks>((_, reject) => {
    fail = reject;
  });
  const second: PluginHooks = {
    onRequest() {},
    onUnload() {
      unloads += 1;
    },
  };
  const plugin: Plugin<never> = {
    name: '0',
    setup: () => {
      setups += 1;
      return setups === 1 ? first : second;
    },
  };
  const host = new ProgramHost({
    board: {} as never,
    logger: { warn: () => {} } as never,
    nowMs: () => 0,
    find: () => plugin,
    plugins: () => [{ index: 0, name: '0', program: '0', options: {} }] as never,
    store: () => ({}) as never,
  });
  const early = host.answer(0, ask(0, 'onRequest'));
  host.keepOnly(new Set());
  await host.answer(0, ask(0, 'onRequest'));
  fail(new Error('late'));
  expect(await early).toMatchObject({ kind: 'failed', problem: 'late' });
  await host.answer(0, ask(0, 'onRequest'));
  expect(setups).toBe(2);
  host.keepOnly(new Set());
  await vi.waitFor(() => expect(unloads).toBe(1));
});
