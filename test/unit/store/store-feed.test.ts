/** What the feed takes for granted after its connection was lost. */
import { expect, it } from 'vitest';
import type { StoreReport } from '../../../src/channel/store/store-messages.js';
import type { StoreClient } from '../../../src/store/redis-client.js';
import { StoreFeed } from '../../../src/store/store-feed.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settled } from '../../support/fake-threads.js';

const PLACE = '1-0';

it.each([
  ['the same server', 'run_id:a', true],
  ['another one', 'run_id:b', false],
  ['one that does not say which it is', '', false],
])(
  'knows whether events were missed where the stream is served by %s',
  async (_, next, isContinuous) => {
    let run = 'run_id:a';
    let cut = (_error: Error): void => {};
    const call = async (name: string): Promise<unknown> => {
      // The place is kept all the time.
      if (name === 'XRANGE') return [[PLACE, []]];
      return new Promise((_resolve, reject) => {
        cut = reject;
      });
    };
    const scripts = async (_hash: string, keys: number): Promise<unknown> =>
      keys === 1 ? run : PLACE;
    const client = { status: 'ready', on: () => {}, disconnect: () => {}, call, evalsha: scripts };
    const clock = new FakeClock();
    const reports: StoreReport[] = [];
    const feed = new StoreFeed({
      ...{ config: { prefix: 'sluice:' }, client: client as unknown as StoreClient, clock },
      ...{ nodeName: 'own', report: (report) => reports.push(report), count: () => {} },
    });
    void feed.follow();
    await settled();
    run = next;
    cut(new Error('Connection is closed.'));
    await settled();
    clock.advance(250);
    await settled();
    const ends = reports.flatMap((one) => (one.type === 'feed' ? [one] : []));
    expect(ends.map((one) => one.isFollowing)).toEqual([true, false, true]);
    expect(ends.at(-1)?.isContinuous).toBe(isContinuous);
    feed.stop();
  },
);
