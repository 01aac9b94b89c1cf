/**
 * A connection that lives on while its server is made a replica: another one may lead to the
 * primary.
 */
import { expect, it } from 'vitest';
import type { StoreClient } from '../../../src/store/redis-client.js';
import { StoreCommands } from '../../../src/store/store-commands.js';
import { StoreFeed } from '../../../src/store/store-feed.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settled } from '../../support/fake-threads.js';

const READ_ONLY = "READONLY You can't write against a read only replica.";
const IN_A_SCRIPT = `ERR Error running script (call to f_1): @user_script:9: -${READ_ONLY}`;

/** A client whose server refuses each write so, and how its user ends connections. */
function aReplica(message: string) {
  const ended: unknown[] = [];
  const refuse = (): Promise<never> => Promise.reject(new Error(message));
  const client = {
    ...{ status: 'ready', on: () => {} },
    ...{ call: refuse, eval: refuse, evalsha: refuse },
    disconnect: (reconnects: unknown) => void ended.push(reconnects),
  };
  return { client: client as unknown as StoreClient, ended };
}

it.each([
  [READ_ONLY, [true]],
  [IN_A_SCRIPT, [true]],
  ['ERR no such key', []],
])('is left by commands for another connection: %s', async (message, left) => {
  const { client, ended } = aReplica(message);
  const reports: unknown[] = [];
  const commands = new StoreCommands({
    ...{ clock: new FakeClock(), createClient: () => client, isUp: () => true, count: () => {} },
    report: (report) => reports.push(report),
  });
  commands.onRun({ type: 'run', id: 1, command: ['SET', 'a', 'b'] });
  await settled();
  expect(reports).toEqual([{ type: 'failed', id: 1, reason: message }]);
  expect(ended).toEqual(left);
});

it.each([READ_ONLY, IN_A_SCRIPT])('is left by the feed, each time: %s', async (message) => {
  const { client, ended } = aReplica(message);
  const clock = new FakeClock();
  const feed = new StoreFeed({
    ...{ config: { prefix: 'sluice:' }, client, clock, nodeName: 'own' },
    ...{ report: () => {}, count: () => {} },
  });
  void feed.follow();
  await settled();
  expect(ended).toEqual([true]);
  clock.advance(250);
  await settled();
  expect(ended).toEqual([true, true]);
  feed.stop();
});
