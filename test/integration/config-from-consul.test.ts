import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../src/base/clock.js';
import { ConsulStore } from '../../src/supervisor/sources/consul/consul-store.js';
import { publishPart, releasesIn, rollBackTo } from '../../src/supervisor/sources/publishing.js';
import { parseStoreAddress } from '../../src/supervisor/sources/store-address.js';
import { eventually } from '../support/eventually.js';
import { type BadAnswer, FakeConsul } from '../support/fake-consul.js';
import { FollowerRig, publish } from '../support/follower-rig.js';

const WAIT_MS = 400;
const CALL_MS = 1500;

let consul: FakeConsul;
let store: ConsulStore;
let rig: FollowerRig;

const openAt = (hosts: string, intervalMs = 20): ConsulStore =>
  new ConsulStore({
    address: parseStoreAddress(`consul://:consul-token@${hosts}/sluice`, {}),
    ...{ clock: systemClock, random: systemRandom },
    times: { waitMs: WAIT_MS, intervalMs, backoffMs: 20, callMs: CALL_MS },
  });

beforeEach(async () => {
  consul = await FakeConsul.start();
  store = openAt(`127.0.0.1:${consul.port}`);
  await publish(store, 'one');
  rig = new FollowerRig(openAt(`127.0.0.1:${consul.port}`));
  expect(await rig.boot()).toBe(true);
});
afterEach(async () => {
  await rig.follower.stop();
  store.close();
  await consul.stop();
});

describe('a configuration from Consul', () => {
  it('is published, followed, and gone back to', async () => {
    expect(rig.body).toBe('one');
    await publish(store, 'two');
    await rig.whenBody('two');
    await rollBackTo(store, null);
    await rig.whenBody('one');
    expect(await releasesIn(store)).toHaveLength(2);
    expect([...consul.tokens]).toEqual(['consul-token']);
    expect(rig.lines.join() + JSON.stringify(rig.follower.origin())).not.toContain('consul-token');
  });

  it('has parts, and refuses the second of two publishers', async () => {
    const text = 'routes: [{ name: red-r, match: { path: /r }, respond: { status: 204 } }]';
    await publishPart(store, 'red', { text, before: undefined });
    await eventually('red is in force', () => rig.loaded?.written.routes.length === 2);
    const again = publishPart(store, 'red', { text: 'other', before: undefined });
    await expect(again).rejects.toThrow('changed by somebody else');
    await publishPart(store, 'red', {
      text: null,
      before: (await store.read(['parts/'])).values.get('parts/red'),
    });
    await eventually('red is gone', () => rig.loaded?.written.routes.length === 1);
  });

  it('is reported under a session, and under another one when that has ended', async () => {
    const report = () => consul.entries.get('sluice/nodes/node-1');
    await eventually('it reports', () => report() !== undefined);
    consul.endSession(report()?.session ?? '');
    expect(report()).toBeUndefined();
    await publish(store, 'two');
    await eventually('it reports again', () => report() !== undefined);
    await rig.follower.stop();
    expect(report()).toBeUndefined();
  });

  it.each<[string, BadAnswer, RegExp]>([
    ['has no leader', { status: 500, body: 'No cluster leader' }, /No cluster leader/],
    [
      'knows no leader',
      { status: 404, headers: { 'X-Consul-KnownLeader': 'false' } },
      /knows no leader/,
    ],
    [
      'leaves out what the token may not read',
      { status: 404, headers: { 'X-Consul-Results-Filtered-By-ACLs': 'true' } },
      /may not read/,
    ],
    [
      'answers from an old memory',
      { status: 404, headers: { 'X-Consul-LastContact': '60000' } },
      /has not heard of its leader/,
    ],
    ['refuses the token', { status: 403, body: 'Permission denied' }, /403: Permission denied/],
    ['is asked too often', { status: 429 }, /status 429/],
    ['answers with nonsense', { status: 200, body: '<html>' }, /no JSON/],
  ])('stays when the agent %s', async (_what, bad, reason) => {
    await eventually('it waits', () => consul.blocked === 2);
    consul.bad = bad;
    consul.wakeAll();
    await eventually('it is told', () => reason.test(rig.follower.origin().trouble));
    expect(rig.body).toBe('one');
    consul.bad = undefined;
    await publish(store, 'two');
    await rig.whenBody('two');
    expect(rig.follower.origin().trouble).toBe('');
  });

  it.each([
    ['back', 3],
    ['to nothing', 0],
  ])('goes on when the index goes %s', async (_what, index) => {
    await eventually('it waits', () => consul.blocked === 2);
    consul.index = index;
    consul.wakeAll();
    await eventually(
      'it has asked again',
      () => consul.calls.at(-1)?.includes('index=1&') === true,
    );
    // The texts are what they were: nothing is to be done.
    expect(rig.reloads).toBe(0);
    await publish(store, 'two');
    await rig.whenBody('two');
  });

  it('asks again when an answer never comes', async () => {
    await eventually('it waits', () => consul.blocked === 2);
    consul.bad = null;
    consul.wakeAll();
    await eventually('it gives up', () => rig.follower.origin().trouble !== '');
    consul.bad = undefined;
    await publish(store, 'two');
    await rig.whenBody('two');
  });

  it('asks another agent when one is gone', async () => {
    const gone = await FakeConsul.start();
    const both = openAt(`127.0.0.1:${gone.port},127.0.0.1:${consul.port}`);
    await gone.stop();
    const other = new FollowerRig(both);
    expect(await other.boot()).toBe(true);
    expect(other.body).toBe('one');
    await other.follower.stop();
  });

  it('does not ask more often than it should, whatever changes', async () => {
    const slow = new FollowerRig(openAt(`127.0.0.1:${consul.port}`, 3_600_000));
    expect(await slow.boot()).toBe(true);
    await rig.follower.stop();
    await eventually('nobody else asks', () => consul.blocked === 0);
    const before = consul.calls.length;
    for (let at = 0; at < 200; at += 1) consul.set('sluice/parts/red', 'routes: []');
    await store.read(['current']);
    const asked = consul.calls.slice(before).filter((call) => call.includes('/sluice/parts/'));
    expect(asked).toEqual([]);
    await slow.follower.stop();
  });
});
