/** The watch over the store's thread, which the test plays. */
import type { Logger } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CoordinatorMail } from '../../../src/channel/coordinator/coordinator-messages.js';
import { allocateStoreMemory, type StoreMemory } from '../../../src/channel/store/store-channel.js';
import { STORE_UP, StoreStatus } from '../../../src/channel/store/store-status.js';
import { StoreSupervisor } from '../../../src/supervisor/store-supervisor.js';
import { aStore } from '../../support/cluster-node.js';
import { FakeClock } from '../../support/fake-clock.js';
import { type FakeStore, FakeThreads, fateOf, settled } from '../../support/fake-threads.js';

let clock: FakeClock;
let threads: FakeThreads;
let memory: StoreMemory;
let status: StoreStatus;
let logged: string[];
let mail: CoordinatorMail[];
let supervisor: StoreSupervisor;

beforeEach(() => {
  clock = new FakeClock();
  threads = new FakeThreads();
  memory = allocateStoreMemory(new SharedArrayBuffer(4096));
  status = new StoreStatus(memory.status);
  logged = [];
  mail = [];
  const log = (fields: object | string, message = String(fields)): number => logged.push(message);
  supervisor = new StoreSupervisor({
    ...{ config: aStore(1), memory, clock, threads },
    logger: { info: log, warn: log, error: log } as unknown as Logger,
    postToCoordinator: (letter) => mail.push(letter),
  });
  supervisor.start();
});

const told = (thread: FakeStore): string[] => thread.orders.map(({ type }) => type);

function last(): FakeStore {
  const thread = threads.stores.at(-1);
  if (thread === undefined) throw new Error('no thread was started');
  return thread;
}

describe('the watch over the store', () => {
  it('connects its thread with the coordinator, and again when either is another one', () => {
    expect(told(last())).toEqual(['wakePort']);
    expect(mail.map(({ type }) => type)).toEqual(['storePort']);
    supervisor.connect();
    expect(told(last())).toEqual(['wakePort', 'wakePort']);
    last().listener.onEnded(new Error('gone'));
    clock.advance(1000);
    expect(threads.stores.length).toBe(2);
    expect(told(last())).toEqual(['wakePort']);
    expect(mail.length).toBe(3);
  });

  it('lets a start wait until the store is found, and not for longer than it is told', async () => {
    let found = 0;
    const wait = () => void supervisor.whenFound(1000).then(() => found++);
    wait();
    clock.advance(999);
    await settled();
    expect(found).toBe(0);
    clock.advance(1);
    await settled();
    expect(found).toBe(1);
    wait();
    last().listener.onReport({ type: 'state', isUp: true, reason: '' });
    await settled();
    expect(found).toBe(2);
    status.setState(STORE_UP);
    wait();
    await settled();
    expect(found).toBe(3);
  });

  it('says that the store is lost as soon as its thread has ended, and starts another, later each time', () => {
    status.setState(STORE_UP);
    last().listener.onEnded(new Error('gone'));
    expect(supervisor.isUp).toBe(false);
    expect(supervisor.figures).toMatchObject({ deaths: 1, reason: 'its thread has ended' });
    clock.advance(199);
    expect(threads.stores.length).toBe(1);
    clock.advance(1);
    expect(threads.stores.length).toBe(2);
    last().listener.onEnded(new Error('gone'));
    clock.advance(399);
    expect(threads.stores.length).toBe(2);
    clock.advance(1);
    expect(threads.stores.length).toBe(3);
  });

  it('ends a thread that hangs', () => {
    last().listener.onReport({ type: 'started', osThreadId: 0 });
    status.setState(STORE_UP);
    for (let look = 0; look < 20; look += 1) {
      status.beat();
      clock.advance(250);
    }
    expect(last().isTerminated).toBe(false);
    for (let look = 0; look < 40; look += 1) clock.advance(250);
    expect(last().isTerminated).toBe(true);
    expect(supervisor.isUp).toBe(false);
  });

  it('runs commands once each, and none while the store is lost', async () => {
    const early = fateOf(supervisor.run(['GET', 'a']));
    status.setState(STORE_UP);
    const [answered, refused, late, cut] = ['b', 'c', 'd', 'e'].map((key) =>
      fateOf(supervisor.run(['GET', key])),
    );
    await settled();
    expect(early.state).toBe('rejected: the store is lost');
    const orders = last().orders.filter(({ type }) => type === 'run');
    expect(orders.map((order) => (order.type === 'run' ? order.command : []))).toEqual([
      ['GET', 'b'],
      ['GET', 'c'],
      ['GET', 'd'],
      ['GET', 'e'],
    ]);
    last().listener.onReport({ type: 'ran', id: 1, value: 'one' });
    last().listener.onReport({ type: 'ran', id: 1, value: 'another' });
    last().listener.onReport({ type: 'failed', id: 2, reason: 'OOM' });
    clock.advance(100);
    last().listener.onReport({ type: 'ran', id: 3, value: null });
    await settled();
    expect([answered?.state, refused?.state, late?.state, cut?.state]).toEqual([
      'resolved',
      'rejected: OOM',
      'resolved',
      'waits',
    ]);
    clock.advance(3500);
    await settled();
    expect(cut?.state).toBe('rejected: the store does not answer');
    expect(supervisor.keyOf('s', 'x')).toBe('sluice:s:x');
  });

  it('hands on what gateways tell each other, and says when that ends', () => {
    const heard: string[] = [];
    supervisor.listen({
      onEvent: ({ body }) => heard.push(body),
      onFollowing: (isContinuous) => heard.push(`following ${isContinuous}`),
      onFeedLost: (reason) => heard.push(reason),
    });
    const feed = { type: 'feed', isFollowing: true, isContinuous: false, reason: '' } as const;
    last().listener.onReport(feed);
    expect(supervisor.figures.isFollowing).toBe(true);
    const event = { topic: 'purge', from: 'other', id: '1', body: 'an event' };
    last().listener.onReport({ type: 'event', event });
    last().listener.onReport({ ...feed, isFollowing: false, reason: 'cut' });
    expect(supervisor.figures.isFollowing).toBe(false);
    last().listener.onEnded(new Error('gone'));
    expect(heard).toEqual(['following false', 'an event', 'cut', 'its thread has ended']);
    clock.advance(1000);
    expect(told(last())).toEqual(['wakePort', 'follow']);
  });

  it('rejects what was on its way when its thread ends', async () => {
    status.setState(STORE_UP);
    const asked = fateOf(supervisor.run(['GET', 'a']));
    last().listener.onEnded(new Error('gone'));
    await settled();
    expect(asked.state).toBe("rejected: the store's thread has ended");
  });

  it('stops its thread, and cuts one that does not end', async () => {
    const stopped = fateOf(supervisor.stop());
    expect(told(last()).at(-1)).toBe('stop');
    clock.advance(600);
    expect(last().isTerminated).toBe(true);
    last().listener.onEnded(new Error('gone'));
    await settled();
    expect(stopped.state).toBe('resolved');
    clock.advance(60_000);
    expect(threads.stores.length).toBe(1);
  });
});
