/**
 * A gateway that stops: others that tell something do not wait for it.
 */
import { expect, it } from 'vitest';
import { feedMembersKey } from '../../../src/channel/store/store-feed-keys.js';
import type { StoreClient } from '../../../src/store/redis-client.js';
import { StoreFeed } from '../../../src/store/store-feed.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settled } from '../../support/fake-threads.js';

it('leaves the list of members by another connection, and waits for no store', async () => {
  const done: unknown[] = [];
  const own = { on: () => {}, disconnect: () => void done.push('disconnected') };
  const zrem = (...words: unknown[]): Promise<number> => {
    done.push(words);
    return new Promise(() => {});
  };
  const clock = new FakeClock();
  const feed = new StoreFeed({
    ...{ config: { prefix: 'sluice:' }, clock, nodeName: 'own' },
    ...{ client: own as unknown as StoreClient, report: () => {}, count: () => {} },
  });
  const left = feed.leave({ zrem } as unknown as StoreClient);
  expect(done).toEqual(['disconnected', [feedMembersKey('sluice:'), 'own']]);
  let isOver = false;
  void left.then(() => {
    isOver = true;
  });
  await settled();
  expect(isOver).toBe(false);
  clock.advance(100);
  await left;
});
