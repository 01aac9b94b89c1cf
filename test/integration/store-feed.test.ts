/**
 * What gateways tell each other through a real server: no event is lost without a word, whatever
 * becomes of the connection, the stream and the server.
 */
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { type FeedEvent, feedStreamKey } from '../../src/channel/store/store-feed-keys.js';
import type { StoreReport } from '../../src/channel/store/store-messages.js';
import { createPatientClient } from '../../src/store/redis-client.js';
import { StoreFeed } from '../../src/store/store-feed.js';
import { aStore } from '../support/cluster-node.js';
import { eventually } from '../support/eventually.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';

const STREAM = feedStreamKey('sluice:');

describeUnless(redisMissing(), 'the events of a store', () => {
  let redis: RedisServer;
  let proxy: FaultProxy;
  let teller: Redis;
  let feed: StoreFeed;
  let reports: StoreReport[];
  let told = 0;

  beforeEach(async () => {
    redis = await RedisServer.start();
    proxy = await FaultProxy.start(redis.port);
    teller = new Redis({ port: redis.port });
    reports = [];
    const config = aStore(proxy.port);
    feed = new StoreFeed({
      ...{ config, clock: systemClock, client: createPatientClient(config), nodeName: 'own' },
      report: (report) => reports.push(report),
      count: () => {},
    });
    void feed.follow();
    await eventually('it follows', () => ends().length === 1);
  });

  afterEach(async () => {
    feed.stop();
    teller.disconnect();
    await proxy.stop();
    await redis.stop();
  });

  const tell = async (): Promise<string> => {
    told += 1;
    const body = String(told);
    await teller.xadd(STREAM, '*', 't', 'a', 'f', 'other', 'i', 'x', 'b', body);
    return body;
  };
  const heard = (): string[] =>
    reports.flatMap((one) => (one.type === 'event' ? [(one.event as FeedEvent).body] : []));
  /** For each time that it began to follow: whether nothing was missed. */
  const ends = (): boolean[] =>
    reports.flatMap((one) => (one.type === 'feed' && one.isFollowing ? [one.isContinuous] : []));

  it('come in order and once, also those told while the connection was cut', async () => {
    const bodies = [await tell(), await tell()];
    await eventually('they came', () => heard().length === 2);
    proxy.cut();
    for (let at = 0; at < 250; at += 1) bodies.push(await tell());
    proxy.heal();
    await eventually('all came', () => heard().length === bodies.length);
    expect(heard()).toEqual(bodies);
    expect(ends()).toEqual([false, true]);
    proxy.cutOnce();
    bodies.push(await tell());
    await eventually('it came', () => heard().length === bodies.length);
    expect(heard()).toEqual(bodies);
    expect(ends().slice(1)).not.toContain(false);
  });

  it('are said to be missed when the stream no longer has the last one that was read', async () => {
    await tell();
    await eventually('it came', () => heard().length === 1);
    proxy.cut();
    await tell();
    await teller.xtrim(STREAM, 'MAXLEN', 0);
    await tell();
    proxy.heal();
    await eventually('it says so', () => ends().length === 2);
    expect(ends()).toEqual([false, false]);
    // The same without a cut.
    await teller.flushall();
    await eventually('it says so again', () => ends().length === 3);
    expect(ends()).toEqual([false, false, false]);
    const body = await tell();
    await eventually('it goes on', () => heard().includes(body));
  });

  it('are said to be missed after another process has served, also with the same data', async () => {
    await tell();
    await eventually('it came', () => heard().length === 1);
    const entries = await teller.xrange(STREAM, '-', '+');
    // Else the reader might find the new process empty, and begin a stream of its own there.
    proxy.cut();
    await redis.kill();
    await redis.run();
    for (const [id, fields] of entries) await teller.xadd(STREAM, id, ...fields);
    proxy.heal();
    await eventually('it says so', () => ends().length === 2);
    expect(ends()).toEqual([false, false]);
  });

  it('are found to be lost where the server is silent', async () => {
    proxy.hold('down');
    expect(reports.length).toBe(1);
    const isLost = (): boolean => reports.some((one) => one.type === 'feed' && !one.isFollowing);
    await eventually('it says so', isLost);
    const body = await tell();
    proxy.heal();
    await eventually('the event came', () => heard().includes(body));
    expect(ends()).toEqual([false, true]);
  });
});
