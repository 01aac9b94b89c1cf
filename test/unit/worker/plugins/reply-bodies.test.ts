/** Which plugins see a reply of some length. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { allocatePlugins, PluginBoard } from '../../../../src/channel/plugins/plugin-board.js';
import { PluginCalls } from '../../../../src/worker/plugins/plugin-calls.js';
import { ReplyBodies } from '../../../../src/worker/plugins/reply-bodies.js';
import type { PluginInstance } from '../../../../src/worker/route/route-plugins.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { makeExchange } from '../../../support/make-exchange.js';

function pluginOf(index: number, bodyBytes: number, isSkipped: boolean): PluginInstance {
  const name = `p${index}`;
  return {
    plugin: {
      ...{ index, name, key: name, program: '', modules: [], options: {}, counters: [] },
      ...{ isSkipped, cpuMs: 100, waitMs: 100, strikesMax: 9, bodyBytes },
    },
    hooks: { onReplyBody: (body) => `${body.toString()} ${name}` },
  };
}

function replyThrough(plugins: readonly PluginInstance[], pieces: readonly string[]): string {
  const board = new PluginBoard(allocatePlugins(1), 0);
  const logger = pino({ level: 'silent' });
  const calls = new PluginCalls({ board, clock: new FakeClock(), logger });
  const bodyBytes = pieces.join('').length;
  const head = { status: 200, fields: NO_FIELDS, bodyBytes, isBodiless: false, isLocal: false };
  const stage = new ReplyBodies(calls, plugins).open(makeExchange({}), head);
  let text = '';
  stage?.connect({
    next: {
      head: () => {},
      data: (bytes) => {
        text += bytes.toString();
        return true;
      },
      trailers: () => {},
      end: () => {},
      abort: () => {},
    },
    resumeSource: () => {},
    refuse: ({ code }) => {
      text = code;
    },
    fail: (error) => {
      text = String(error);
    },
  });
  stage?.head(head);
  for (const [at, piece] of pieces.entries()) {
    stage?.data(Buffer.from(piece), at === pieces.length - 1);
  }
  return text;
}

it.each([
  [['abc'], 'abc p0 p1'],
  [['abc', 'defg'], 'abcdefg p1'],
  [['abc', 'def', 'g'], 'abcdefg p1'],
  [['abc', 'defghijklm'], 'GW_PLUGIN_FAILED'],
])('one that a reply is too long for is passed over, and no other: %j', (pieces, expected) => {
  expect(replyThrough([pluginOf(0, 4, true), pluginOf(1, 8, false)], pieces)).toBe(expected);
});

it('a reply that is too long for all goes on as it came', () => {
  const plugins = [pluginOf(0, 4, true), pluginOf(1, 8, true)];
  expect(replyThrough(plugins, ['abcdef', 'ghijk', 'l'])).toBe('abcdefghijkl');
});
