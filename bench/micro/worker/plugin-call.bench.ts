/**
 * Question: what does a plugin that does nothing add to a request of its route?
 *
 * The subject is all that a worker does: it looks whether the plugin is out, says in shared memory
 * who runs, makes what the hook sees of the request, measures the call, and judges what comes of it.
 * The alternative calls the same function, and does none of this.
 */
import { pino } from 'pino';
import { systemClock } from '../../../src/base/clock.js';
import { allocatePlugins, PluginBoard } from '../../../src/channel/plugins/plugin-board.js';
import type { CompiledPlugin } from '../../../src/config/compiled-plugin.js';
import type { Exchange } from '../../../src/worker/exchange/exchange.js';
import { PluginCalls } from '../../../src/worker/plugins/plugin-calls.js';
import { RequestPlugins } from '../../../src/worker/plugins/request-plugins.js';
import { pluginsOf } from '../../../src/worker/route/route-plugins.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const PLUGIN: CompiledPlugin = {
  ...{
    index: 0,
    name: 'nothing',
    key: 'nothing',
    program: '',
    modules: [],
    options: {},
    counters: [],
  },
  ...{ isSkipped: false, cpuMs: 50, waitMs: 1000, strikesMax: 5, bodyBytes: 1024 },
};

export const bench: Bench = {
  question: 'what does a plugin that does nothing cost a request?',

  run(context) {
    const operations = context.parameter('requests', 64, 16_384);
    return context.measureEach([
      { name: 'worker: a plugin', role: 'subject', operations, run: byPlugin(operations) },
      { name: 'worker: its function', role: 'alternative', operations, run: byCall(operations) },
    ]);
  },
};

function nothing(): undefined {
  return undefined;
}

function byPlugin(operations: number): () => number {
  const board = new PluginBoard(allocatePlugins(1), 0);
  const logger = pino({ level: 'silent' });
  const calls = new PluginCalls({ board, clock: systemClock, logger });
  const plugins = new RequestPlugins(calls, () => {});
  const instances = [{ plugin: PLUGIN, hooks: { onRequest: nothing } }];
  const route = { plugins: pluginsOf([0], instances), config: { name: 'all' } };
  const exchange = { route, isFinished: false } as unknown as Exchange;
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      checksum = fold(checksum, plugins.onRequest(exchange) === 'next' ? 1 : 0);
    }
    return checksum;
  };
}

function byCall(operations: number): () => number {
  const hooks = [nothing];
  return () => {
    let checksum = 0;
    for (let at = 0; at < operations; at += 1) {
      checksum = fold(checksum, hooks[at % 1]?.() === undefined ? 1 : 0);
    }
    return checksum;
  };
}
