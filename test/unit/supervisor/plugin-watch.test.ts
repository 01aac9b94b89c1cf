import type { Logger } from 'pino';
import { expect, it } from 'vitest';
import { PluginBoard } from '../../../src/channel/plugins/plugin-board.js';
import { PluginWatch } from '../../../src/supervisor/plugin-watch.js';

it('lets no other worker set up a new plugin that has ended the first, or made it hang', () => {
  const watch = new PluginWatch({
    lanes: 2,
    logger: { error: () => {} } as unknown as Logger,
    nowMs: () => 0,
    unixMs: () => 0,
    find: () => undefined,
    plugins: () => [],
  });
  const plugin = { index: 3, name: 'fresh', strikesMax: 5, isSkipped: true } as never;
  const running = new PluginBoard(watch.memory, 1);
  watch.begin([plugin]);
  watch.prove();
  running.setRunning(3);
  watch.onDeath(1);
  expect(() => watch.prove()).toThrow('plugin fresh makes workers die as it is set up');
  watch.begin([plugin]);
  watch.prove();
  watch.onHang(1);
  expect(() => watch.prove()).toThrow('plugin fresh makes workers hang as it is set up');
});
