/** Purges that other gateways could not be told. */
import type { Logger } from 'pino';
import { expect, it } from 'vitest';
import { allocateCache } from '../../../src/channel/cache/cache-memory.js';
import { CachePurges } from '../../../src/supervisor/shared/cache-purges.js';
import type { SharedEvents } from '../../../src/supervisor/shared/shared-events.js';
import { StoreLostError } from '../../../src/supervisor/store-supervisor.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settled } from '../../support/fake-threads.js';

it('are told until the store takes them, also where events came all the time', async () => {
  const told: string[] = [];
  let isLost = true;
  const tell = async (_topic: string, body: string) => {
    told.push(body);
    if (isLost) throw new StoreLostError('the store is lost');
    return { done: [], missing: [] };
  };
  const events = { subscribe: () => {}, tell } as unknown as SharedEvents;
  const clock = new FakeClock();
  const purges = new CachePurges(allocateCache(1, 65_536), events, {} as Logger, clock);
  const { gateways } = await purges.purge({ kind: 'group', value: 'a', isSoft: false });
  expect(gateways?.trouble).toBe('the store is lost');
  for (const attempts of [2, 3]) {
    clock.advance(250);
    await settled();
    expect(told).toHaveLength(attempts);
    isLost = false;
  }
  expect(new Set(told)).toEqual(new Set(['["group","a",false]']));
  clock.advance(10_000);
  await settled();
  expect([told.length, clock.timerCount]).toEqual([3, 0]);
});
