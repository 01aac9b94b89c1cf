import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../src/base/clock.js';
import type { StoreView } from '../../src/supervisor/sources/config-store.js';
import { EtcdClient } from '../../src/supervisor/sources/etcd/etcd-client.js';
import type { EtcdStore } from '../../src/supervisor/sources/etcd/etcd-store.js';
import { EtcdWatch } from '../../src/supervisor/sources/etcd/etcd-watch.js';
import { CURRENT } from '../../src/supervisor/sources/release-layout.js';
import { parseStoreAddress } from '../../src/supervisor/sources/store-address.js';
import { EtcdServer, NO_ETCD } from '../support/etcd-server.js';
import { eventually } from '../support/eventually.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { documentOf, etcdAt, FollowerRig, publish } from '../support/follower-rig.js';
import { describeUnless } from '../support/not-run.js';

const opened: { close?(): void; stop?(): Promise<void> }[] = [];

function kept<T extends { close?(): void; stop?(): Promise<void> }>(one: T): T {
  opened.push(one);
  return one;
}

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) {
    await one.stop?.();
    one.close?.();
  }
});

async function follow(store: EtcdStore): Promise<FollowerRig> {
  const rig = new FollowerRig(store);
  kept(rig.follower);
  expect(await rig.boot()).toBe(true);
  return rig;
}

describeUnless(NO_ETCD, 'a store that is not there all the time', () => {
  let etcd: EtcdServer;
  let direct: EtcdStore;

  beforeAll(async () => {
    etcd = await EtcdServer.start();
    direct = etcdAt(etcd.hosts);
  });
  afterAll(async () => {
    direct?.close();
    await etcd?.stop();
  });

  const behindProxy = async (): Promise<{ proxy: FaultProxy; rig: FollowerRig }> => {
    const proxy = kept(await FaultProxy.start(etcd.portOf(0)));
    return { proxy, rig: await follow(etcdAt(`127.0.0.1:${proxy.port}`)) };
  };

  it('may compact what was missed while the gateway was cut off', async () => {
    await publish(direct, 'before');
    const { proxy, rig } = await behindProxy();
    proxy.cut();
    await eventually('it is noticed', () => rig.follower.origin().trouble !== '');
    for (const body of ['missed 1', 'missed 2', 'after']) await publish(direct, body);
    await etcd.ctl('compact', String(await etcd.revision()), '--physical');
    expect(rig.body).toBe('before');
    proxy.heal();
    await rig.whenBody('after');
    // What came in between was of no use to anybody.
    expect(rig.reloads).toBe(1);
    expect(rig.follower.origin()).toMatchObject({ trouble: '', from: 'store' });
  });

  it('cancels a watch that is behind a compaction, and all is read again', async () => {
    await publish(direct, 'compacted');
    await etcd.ctl('compact', String(await etcd.revision()));
    const address = parseStoreAddress(`etcd://${etcd.hosts}/sluice`, {});
    const client = kept(new EtcdClient({ address, clock: systemClock, times: {} }));
    const [views, troubles]: [StoreView[], string[]] = [[], []];
    const watch = new EtcdWatch(
      {
        ...{ client, keys: ['sluice/current'], clock: systemClock, random: systemRandom },
        ...{ recheckMs: 60_000, backoffMs: 10 },
        read: async () => {
          const view = await direct.read([CURRENT]);
          // The first reading is as old as one that came before the compaction.
          return views.length === 0 ? { ...view, revision: 0 } : view;
        },
      },
      {
        onView: async (view) => void views.push(view),
        onTrouble: (reason) => void troubles.push(reason),
      },
    );
    const ended = watch.run();
    await eventually('it has read again', () => views.length >= 2);
    expect(troubles[0]).toMatch(/before which etcd has compacted/);
    await publish(direct, 'behind the compaction');
    await eventually('it hears of changes', () => views.length >= 3);
    watch.stop();
    await ended;
  });

  it('is not believed when a watch says nothing of a change', async () => {
    await publish(direct, 'watched');
    const address = parseStoreAddress(`etcd://${etcd.hosts}/sluice`, {});
    const client = kept(new EtcdClient({ address, clock: systemClock, times: {} }));
    const troubles: string[] = [];
    let views = 0;
    const watch = new EtcdWatch(
      {
        // Nothing of what is read is under this key.
        ...{ client, keys: ['sluice/nothing'], clock: systemClock, random: systemRandom },
        ...{ recheckMs: 50, backoffMs: 10, read: () => direct.read([CURRENT]) },
      },
      {
        onView: async () => {
          views += 1;
        },
        onTrouble: (reason) => void troubles.push(reason),
      },
    );
    const ended = watch.run();
    await eventually('it has looked twice', () => views >= 2);
    expect(troubles).toEqual([]);
    await publish(direct, 'missed');
    await eventually('another watch is opened', () => troubles.length > 0);
    expect(troubles).toEqual(['the watch has missed a change']);
    watch.stop();
    await ended;
  });

  it.each(['up', 'down'] as const)(
    'is left when nothing comes or goes any more (%s)',
    async (way) => {
      await publish(direct, `before ${way}`);
      const { proxy, rig } = await behindProxy();
      const before = proxy.connections;
      proxy.hold(way);
      await eventually('the connection is given up', () => proxy.connections > before);
      expect(rig.body).toBe(`before ${way}`);
      await publish(direct, `after ${way}`);
      proxy.heal();
      await rig.whenBody(`after ${way}`);
    },
  );

  it('is what one reading says, after any cuts', async () => {
    await publish(direct, 'start');
    const { proxy, rig } = await behindProxy();
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let step = 0; step < 40; step += 1) {
      const team = `t${random(4)}`;
      const text = `routes: [{ name: ${team}-r, match: { path: /${team}/${step} }, respond: { status: 204 } }]`;
      const choice = random(4);
      if (choice === 0) await publish(direct, `body ${step}`);
      else if (choice === 1) await direct.change([], [{ key: `parts/${team}`, text: null }]);
      else await direct.change([], [{ key: `parts/${team}`, text }]);
      if (random(3) === 0) proxy.cutOnce();
    }
    const { values } = await direct.read(['parts/', CURRENT]);
    const { id } = JSON.parse(values.get(CURRENT)?.text ?? '') as { id: string };
    const teams = [...values.keys()].filter((key) => key.startsWith('parts/'));
    const wanted = teams.map((key) => /path: (\S+) /.exec(values.get(key)?.text ?? '')?.[1]);
    await eventually('it has come to rest', () => {
      const { release, parts } = rig.follower.origin();
      const own = parts.map((part) => `parts/${part.team}`);
      const paths = rig.loaded?.written.routes.map(({ match }) => match.path) ?? [];
      const hasAll = wanted.every((path) => path !== undefined && paths.includes(path));
      return release === id && String(own) === String(teams) && hasAll;
    });
    await direct.change(
      [],
      teams.map((key) => ({ key, text: null })),
    );
  });

  it('may stop answering and go on later', async () => {
    await publish(direct, 'before the stop');
    const rig = await follow(etcdAt(etcd.hosts));
    etcd.signal(0, 'SIGSTOP');
    await eventually('it is noticed', () => rig.follower.origin().trouble !== '');
    expect(rig.body).toBe('before the stop');
    etcd.signal(0, 'SIGCONT');
    await eventually('it is read again', () => rig.follower.origin().trouble === '');
    await publish(direct, 'after the stop');
    await rig.whenBody('after the stop');
  });

  it('is told by the node again when its lease has ended', async () => {
    await publish(direct, 'leased');
    const rig = await follow(etcdAt(etcd.hosts));
    const report = async () => (await direct.read(['nodes/'])).values.get('nodes/node-1')?.text;
    await eventually('it has reported', async () => (await report()) !== undefined);
    for (const line of (await etcd.ctl('lease', 'list')).split('\n').slice(1)) {
      if (line !== '') await etcd.ctl('lease', 'revoke', line);
    }
    expect(await report()).toBeUndefined();
    const id = await publish(direct, 'reported again');
    await eventually('it reports again', async () => (await report())?.includes(id) === true);
    await rig.follower.stop();
    expect(await report()).toBeUndefined();
  });

  it('names what cannot be used, and changes nothing by it', async () => {
    const id = await publish(direct, 'good');
    const rig = await follow(etcdAt(etcd.hosts));
    const refused = async (what: string): Promise<void> => {
      await eventually(
        what,
        () => rig.follower.origin().refused?.reasons[0]?.includes(what) === true,
      );
      expect(rig.body).toBe('good');
      await eventually('it is told', async () => {
        const report = (await direct.read(['nodes/'])).values.get('nodes/node-1')?.text ?? '';
        return report.includes(what);
      });
    };
    const point = (text: string) => direct.change([], [{ key: CURRENT, text }]);
    await point('not json');
    await refused('names no release');
    await point(JSON.stringify({ id: '../nodes/x', sha256: 'a'.repeat(64) }));
    await refused('names no release');
    await point(JSON.stringify({ id: 'missing', sha256: 'a'.repeat(64) }));
    await refused('not in the store');
    await direct.change([], [{ key: 'releases/changed', text: documentOf('changed') }]);
    await point(JSON.stringify({ id: 'changed', sha256: 'a'.repeat(64) }));
    await refused('not the one that was published');
    await publish(direct, 'x', 'routes: nonsense');
    await refused('routes: must be');
    await direct.change([], [{ key: CURRENT, text: null }]);
    await eventually('an empty store is told', () => rig.has('names no release: it may have lost'));
    expect([rig.body, rig.follower.origin().release]).toEqual(['good', id]);
    await publish(direct, 'good again');
    await rig.whenBody('good again');
  });

  it('may be rebuilt: an empty one changes nothing, and the next release is used', async () => {
    await publish(direct, 'of the old store');
    const rig = await follow(etcdAt(etcd.hosts));
    await etcd.rebuild();
    await eventually('it is noticed', () => rig.has('it was rebuilt'));
    await eventually('it is empty', () => rig.has('names no release: it may have lost'));
    expect(rig.body).toBe('of the old store');
    await publish(direct, 'of the new store');
    await rig.whenBody('of the new store');
  });

  it('takes no more than it takes', async () => {
    const change = direct.change([], [{ key: 'releases/x', text: 'x'.repeat(1_600_000) }]);
    await expect(change).rejects.toThrow(/too large/);
  });

  it('does not say its password, and takes another token when one is dead', async () => {
    for (const command of [
      ['user', 'add', 'root:root'],
      ['role', 'add', 'gateways'],
      ['role', 'grant-permission', 'gateways', '--prefix=true', 'readwrite', 'sluice/'],
      ['user', 'add', 'gateway:hunter2'],
      ['user', 'grant-role', 'gateway', 'gateways'],
      ['user', 'grant-role', 'root', 'root'],
      ['auth', 'enable'],
    ]) {
      await etcd.ctl(...command);
    }
    etcd.user = 'root:root';
    const root = kept(etcdAt(etcd.hosts, 'root:root@'));
    await publish(root, 'with rights');
    const rig = await follow(etcdAt(etcd.hosts, 'gateway:hunter2@'));
    // A change of roles, and a restart, are the end of every token.
    await etcd.ctl('role', 'add', 'another');
    await publish(root, 'after a change of roles');
    await rig.whenBody('after a change of roles');
    await etcd.kill();
    await etcd.again();
    await publish(root, 'after a restart');
    await rig.whenBody('after a restart');
    await etcd.ctl('user', 'revoke-role', 'gateway', 'gateways');
    await eventually('it is told', () =>
      rig.follower.origin().trouble.includes('permission denied'),
    );
    expect(rig.body).toBe('after a restart');
    const wrong = new FollowerRig(etcdAt(etcd.hosts, 'gateway:wrong-password@'));
    kept(wrong.follower);
    expect(await wrong.boot(1500)).toBe(false);
    expect(wrong.follower.origin().trouble).toContain('authentication failed');
    const told = [...rig.lines, ...wrong.lines, JSON.stringify(wrong.follower.origin())].join('\n');
    expect(told).not.toMatch(/hunter2|wrong-password/);
  });
});

describeUnless(NO_ETCD, 'a store of three members', () => {
  it('is followed at another member when one is away, and not at one that is alone', async () => {
    const etcd = kept(await EtcdServer.start(3));
    const [first, ...others] = etcd.hosts.split(',');
    const direct = kept(etcdAt(others.join(',')));
    const publishAtLast = (body: string) =>
      eventually(`"${body}" is published`, () =>
        publish(direct, body).then(
          () => true,
          () => false,
        ),
      );
    await publishAtLast('three');
    const rig = await follow(etcdAt(`${first},${others.join(',')}`));
    expect(rig.body).toBe('three');
    etcd.signal(0, 'SIGSTOP');
    // The one that is away may have been their leader: they choose another first.
    await publishAtLast('two');
    await rig.whenBody('two');
    etcd.signal(0, 'SIGCONT');
    etcd.signal(1, 'SIGSTOP');
    etcd.signal(2, 'SIGSTOP');
    await eventually('one alone says nothing', () => rig.follower.origin().trouble !== '');
    expect(rig.body).toBe('two');
    etcd.signal(1, 'SIGCONT');
    etcd.signal(2, 'SIGCONT');
    await publishAtLast('three again');
    await rig.whenBody('three again');
  });
});
