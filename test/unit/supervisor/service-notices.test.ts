import { expect, it } from 'vitest';
import { ServiceNotices } from '../../../src/supervisor/service-notices.js';
import { FakeClock } from '../../support/fake-clock.js';

const SOCKET = { NOTIFY_SOCKET: '/run/systemd/notify' };

/** Messages that were sent, each of which ends when the test says so. */
function aService(environment: Readonly<Record<string, string>> = SOCKET) {
  const sent: string[] = [];
  const warnings: unknown[] = [];
  const ends: (() => void)[] = [];
  const clock = new FakeClock();
  const facts = { isAlive: true, fails: false };
  const notices = new ServiceNotices({
    environment,
    pid: 7,
    clock,
    logger: { warn: (...words: unknown[]) => void warnings.push(words.at(-1)) },
    send: (assignments) => {
      sent.push(assignments.join(' '));
      if (facts.fails) return Promise.reject(new Error('no such program'));
      return new Promise((resolve) => ends.push(resolve));
    },
    isAlive: () => facts.isAlive,
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  /** Lets what is on its way arrive. */
  const settle = async (): Promise<void> => {
    await turn();
    for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
      end();
      await turn();
    }
  };
  return { notices, sent, warnings, facts, clock, settle, turn };
}

it('messages go one after the other', async () => {
  const { notices, sent, settle, turn } = aService();
  notices.started();
  notices.reloading();
  notices.reloaded();
  notices.stopping();
  await turn();
  expect(sent).toEqual(['READY=1']);
  await settle();
  await notices.written();
  expect(sent).toEqual(['READY=1', 'RELOADING=1 MONOTONIC_USEC=1000000', 'READY=1', 'STOPPING=1']);
});

it('a reload before the start is over, or when the end has begun, is told to nobody', async () => {
  const { notices, sent, settle } = aService();
  notices.reloading();
  notices.reloaded();
  notices.started();
  notices.stopping();
  notices.reloading();
  notices.reloaded();
  await settle();
  expect(sent).toEqual(['READY=1', 'STOPPING=1']);
});

it('signs of life come twice a period, while requests can be answered', async () => {
  const { notices, sent, warnings, facts, clock, settle } = aService({
    ...SOCKET,
    WATCHDOG_USEC: '30000000',
    WATCHDOG_PID: '7',
  });
  notices.started();
  await settle();
  clock.advance(14_999);
  await settle();
  expect(sent).toEqual(['READY=1']);
  clock.advance(1);
  await settle();
  expect(sent).toEqual(['READY=1', 'WATCHDOG=1']);
  facts.isAlive = false;
  clock.advance(30_000);
  await settle();
  expect(sent).toHaveLength(2);
  expect(warnings).toEqual([expect.stringContaining('no sign of life')]);
  facts.isAlive = true;
  clock.advance(15_000);
  await settle();
  expect(sent).toHaveLength(3);
  notices.stopping();
  clock.advance(60_000);
  await settle();
  expect(sent.slice(3)).toEqual(['STOPPING=1']);
});

it('signs of life do not queue up behind one that is slow', async () => {
  const { notices, sent, clock, turn, settle } = aService({ ...SOCKET, WATCHDOG_USEC: '2000' });
  notices.started();
  await settle();
  clock.advance(10);
  await turn();
  expect(sent).toEqual(['READY=1', 'WATCHDOG=1']);
});

it.each([
  ['that are meant for another process', { WATCHDOG_USEC: '2000', WATCHDOG_PID: '8' }],
  ['that nobody has asked for', {}],
  ['every 0 or every odd microseconds', { WATCHDOG_USEC: 'odd' }],
])('no signs of life are given %s', async (_, environment) => {
  const { notices, sent, clock, settle } = aService({ ...SOCKET, ...environment });
  notices.started();
  clock.advance(60_000);
  await settle();
  expect(sent).toEqual(['READY=1']);
});

it('nothing is sent where nobody listens', async () => {
  const { notices, sent, clock, settle } = aService({ WATCHDOG_USEC: '2000' });
  notices.started();
  clock.advance(10);
  notices.stopping();
  await settle();
  await notices.written();
  expect(sent).toEqual([]);
});

it('what cannot be sent is told once, and the next message is tried', async () => {
  const { notices, sent, warnings, facts } = aService();
  facts.fails = true;
  notices.started();
  notices.stopping();
  await notices.written();
  expect(sent).toEqual(['READY=1', 'STOPPING=1']);
  expect(warnings).toEqual([expect.stringContaining('systemd-notify')]);
});
