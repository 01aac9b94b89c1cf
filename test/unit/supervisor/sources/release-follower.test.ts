import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock.js';
import { EpochTable } from '../../../../src/supervisor/epoch-table.js';
import { keepVersion, writtenOf } from '../../../../src/supervisor/loading/kept-version.js';
import { prepareVersion } from '../../../../src/supervisor/loading/prepare-version.js';
import { Reloader } from '../../../../src/supervisor/reloader.js';
import { LastGoodCopy } from '../../../../src/supervisor/sources/last-good-copy.js';
import { CURRENT, PARTS } from '../../../../src/supervisor/sources/release-layout.js';
import { eventually } from '../../../support/eventually.js';
import { documentOf, FollowerRig, publish } from '../../../support/follower-rig.js';
import { MemoryStore } from '../../../support/memory-store.js';
import { recordingLogger } from '../../../support/recording-logger.js';

let folder: string;
let store: MemoryStore;
let copy: LastGoodCopy;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-copy-'));
  store = new MemoryStore();
  copy = new LastGoodCopy(join(folder, 'state'), 'memory:sluice', systemClock);
});
// A gateway that still runs may be writing its copy.
afterEach(() => eventually('its folder is removed', () => isRemoved(folder)));

function isRemoved(path: string): boolean {
  try {
    rmSync(path, { recursive: true, force: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') return false;
    throw error;
  }
}

/** A gateway that has used `body`, and has ended. */
async function runOnce(body: string): Promise<void> {
  await publish(store, body);
  const rig = new FollowerRig(store, copy);
  expect(await rig.boot()).toBe(true);
  await eventually('the copy is written', async () => (await copy.read()).content !== null);
  await rig.follower.stop();
}

const reportOf = (node = 'node-1') => JSON.parse(store.values.get(`nodes/${node}`)?.text ?? '{}');

describe('a gateway that follows a store', () => {
  it('starts with what the store names, and reports it behind the copy', async () => {
    const id = await publish(store, 'one');
    const rig = new FollowerRig(store, copy);
    expect(await rig.boot()).toBe(true);
    await eventually('it reports', () => reportOf().release?.id === id);
    // Nothing is reported before it is on the disk.
    expect(readFileSync(copy.file, 'utf8')).toContain(id);
    expect(reportOf()).toMatchObject({ from: 'store', refused: null, copy: 'written' });
    expect(rig.body).toBe('one');
  });

  it('that ends takes up nothing more, and is waited for by nobody', async () => {
    await publish(store, 'one');
    const rig = new FollowerRig(store);
    expect(await rig.boot()).toBe(true);
    await eventually('it has reported', () => reportOf().release !== undefined);
    rig.obstacle = 'the gateway is draining';
    const ended = rig.follower.stop();
    await publish(store, 'two');
    await rig.follower.onView(await store.read([CURRENT, PARTS]));
    await ended;
    expect([rig.reloads, rig.has('refused')]).toEqual([0, false]);
    expect(store.values.has('nodes/node-1')).toBe(false);
    await rig.follower.stop();
  });

  it('starts with the copy when the store is away, and says so', async () => {
    await runOnce('one');
    store.isAway = true;
    const rig = new FollowerRig(store, copy);
    expect(await rig.boot(20)).toBe(true);
    expect(rig.body).toBe('one');
    expect(rig.follower.origin()).toMatchObject({ from: 'copy', ageMs: null });
    expect(rig.follower.origin().trouble).toContain('away');
    store.isAway = false;
    await publish(store, 'two');
    await rig.whenBody('two');
    expect(rig.follower.origin().from).toBe('store');
  });

  it.each([
    ['is empty', async () => store.values.clear()],
    ['names what is wrong', async () => void (await publish(store, '', 'routes: 7'))],
  ])('starts with the copy when the store %s', async (_what, spoil) => {
    await runOnce('one');
    await spoil();
    const rig = new FollowerRig(store, copy);
    expect(await rig.boot(60_000)).toBe(true);
    expect([rig.body, rig.follower.origin().from]).toEqual(['one', 'copy']);
  });

  it('has nothing to start with when there is neither, and waits for the first release', async () => {
    const rig = new FollowerRig(store, copy);
    expect(await rig.boot(60_000)).toBe(false);
    const booted = rig.follower.whenBooted();
    // Whoever publishes is to know that somebody waits.
    expect(reportOf()).toMatchObject({ release: null });
    await publish(store, 'wrong', 'routes: 7');
    await eventually('it is refused', () => rig.follower.origin().refused !== null);
    await publish(store, 'first');
    expect((await booted).written.routes).toHaveLength(1);
  });

  it.each<[string, () => void, string]>([
    ['others may write', () => chmodSync(copy.file, 0o666), 'may be written by others'],
    ['is damaged', () => writeFileSync(copy.file, '{"format":1'), 'damaged'],
    [
      'was changed',
      () => writeFileSync(copy.file, readFileSync(copy.file, 'utf8').replace('one', 'eno')),
      'damaged',
    ],
    [
      'is of another store',
      () => {
        copy = new LastGoodCopy(join(folder, 'state'), 'memory:another', systemClock);
      },
      'of another store',
    ],
  ])('does not use a copy that %s', async (_what, spoil, reason) => {
    await runOnce('one');
    spoil();
    store.isAway = true;
    const rig = new FollowerRig(store, copy);
    expect(await rig.boot(20)).toBe(false);
    expect(rig.has(reason)).toBe(true);
  });

  it('takes away what a process has left that died while it wrote', async () => {
    await runOnce('one');
    const [old, young] = [`${copy.file}.0.tmp`, `${copy.file}.1.tmp`];
    for (const name of [old, young]) writeFileSync(name, '{');
    utimesSync(old, 1, 1);
    expect((await copy.read()).content).not.toBeNull();
    expect([existsSync(old), existsSync(young)]).toEqual([false, true]);
  });

  it('uses what it cannot write down, and says that it could not', async () => {
    writeFileSync(join(folder, 'file'), '');
    copy = new LastGoodCopy(join(folder, 'file'), 'memory:sluice', systemClock);
    await publish(store, 'one');
    const rig = new FollowerRig(store, copy);
    await rig.boot();
    await eventually('it reports', () => reportOf().release !== undefined);
    expect(reportOf().copy).toMatch(/^not written: /);
    expect(rig.has('error the copy of the configuration is not written')).toBe(true);
  });

  it('tries what was refused again, until it is in force or the store names something else', async () => {
    await publish(store, 'one');
    const rig = new FollowerRig(store, copy, { retryMs: 10 });
    await rig.boot();
    rig.obstacle = 'the port is in use';
    await publish(store, 'two');
    await eventually('it was refused twice', () => rig.reloads >= 2);
    expect(rig.has('"nextTry":{"refusals":')).toBe(true);
    const { refused, nextTry } = rig.follower.origin();
    expect([refused?.reasons, rig.body]).toEqual([['the port is in use'], 'one']);
    if (nextTry !== null) expect(nextTry.refusals).toBeGreaterThanOrEqual(2);
    rig.obstacle = '';
    await rig.whenBody('two');
    await eventually('it is told', () => rig.follower.origin().refused === null);
    expect(rig.follower.origin().nextTry).toBeNull();
    await rig.follower.stop();
  });

  it('does not try again what a trial has shown to be bad', async () => {
    await publish(store, 'one');
    const rig = new FollowerRig(store, copy, { retryMs: 1 });
    await rig.boot();
    rig.obstacle = 'on trial: 9 of 10 requests failed';
    rig.isJudged = true;
    await publish(store, 'two');
    await eventually('it is refused', () => rig.follower.origin().refused !== null);
    expect([rig.follower.origin().nextTry, rig.reloads]).toEqual([null, 1]);
    rig.obstacle = '';
    await publish(store, 'three');
    await rig.whenBody('three');
    await rig.follower.stop();
  });

  it('tries a document again beside one that a trial has shown to be bad', async () => {
    await publish(store, 'one');
    const rig = new FollowerRig(store, copy, { retryMs: 10 });
    await rig.boot();
    const tried: string[] = [];
    let isPortFree = false;
    const refuse = (reason: string) => ({ outcome: 'refused' as const, reasons: [reason] });
    rig.follower.attach({
      log: () => {},
      reload: async () => {
        const { routes } = rig.follower.source.load().written;
        const names = routes.map(({ name }) => name).sort();
        tried.push(names.join());
        if (names.includes('red-r') && !isPortFree) return refuse('the port is in use');
        if (names.includes('blue-r')) return { ...refuse('on trial'), wasJudged: true };
        return { outcome: 'applied', epoch: 2, changes: [], changeCount: 0 };
      },
    });
    const part = (team: string) => ({
      key: `parts/${team}`,
      text: `routes: [{ name: ${team}-r, match: { path: /${team} }, respond: { status: 204 } }]`,
    });
    await store.change([], [part('blue'), part('red')]);
    await eventually(
      'it is tried again',
      () => tried.filter((one) => one === 'a,red-r').length > 1,
    );
    isPortFree = true;
    const partOf = (team: string) =>
      rig.follower.origin().parts.find((candidate) => candidate.team === team);
    await eventually('it is in force', () => (partOf('red')?.sha256 ?? '') !== '');
    await eventually('nothing waits', () => rig.follower.origin().nextTry === null);
    expect(partOf('blue')?.refused?.reasons).toEqual(['on trial']);
    // Requests were tried on it once by itself, and once with the other one.
    expect(tried.filter((one) => one === 'a,blue-r')).toHaveLength(1);
    await rig.follower.stop();
  });

  it('tries again though a try has failed in an unforeseen way', async () => {
    await publish(store, 'one');
    const rig = new FollowerRig(store, copy, { retryMs: 10 });
    await rig.boot();
    rig.obstacle = 'the port is in use';
    await publish(store, 'two');
    await eventually('it was refused', () => rig.reloads > 0);
    let hasThrown = false;
    rig.follower.attach({
      log: () => {},
      reload: async () => {
        if (hasThrown) return { outcome: 'applied', epoch: 2, changes: [], changeCount: 0 };
        hasThrown = true;
        throw new Error('unforeseen');
      },
    });
    await eventually('it is in force', () => rig.follower.origin().refused === null);
    await rig.follower.stop();
  });

  it('ends the trial of nobody else by trying again', async () => {
    await publish(store, 'one');
    const rig = new FollowerRig(store, copy, { retryMs: 1 });
    await rig.boot();
    rig.obstacle = 'the port is in use';
    let [asked, reloads, isReloading] = [0, 0, true];
    await publish(store, 'two');
    await eventually('it was refused', () => rig.reloads > 0);
    rig.follower.attach({
      log: () => {},
      isReloading: () => {
        asked += 1;
        return isReloading;
      },
      reload: async () => {
        reloads += 1;
        return { outcome: 'applied', epoch: 2, changes: [], changeCount: 0 };
      },
    });
    await eventually('it was due three times', () => asked >= 3);
    expect(reloads).toBe(0);
    isReloading = false;
    await eventually('it is in force', () => rig.follower.origin().refused === null);
    await rig.follower.stop();
  });

  it('starts with what could not be loaded at first, once it can', async () => {
    const environment: Record<string, string> = {};
    await publish(store, 'late', documentOf('${WORD}'));
    const rig = new FollowerRig(store, copy, { environment, retryMs: 10 });
    expect(await rig.boot(60_000)).toBe(false);
    environment['WORD'] = 'late';
    const { written } = await rig.follower.whenBooted();
    expect(written.routes[0]?.respond?.body).toBe('late');
    await rig.follower.stop();
  });

  it('does not reload for a release with the same text, and reports its name', async () => {
    const first = await publish(store, 'one');
    const rig = new FollowerRig(store, copy);
    await rig.boot();
    await publish(store, 'two');
    await rig.whenBody('two');
    const reloads = rig.reloads;
    const text = documentOf('two');
    const { sha256 } = JSON.parse(store.values.get('current')?.text ?? '');
    await store.change(
      [],
      [
        { key: 'releases/again', text },
        { key: 'current', text: JSON.stringify({ id: 'again', sha256 }) },
      ],
    );
    await eventually('it reports', () => reportOf().release?.id === 'again');
    expect([rig.reloads, first === 'again']).toEqual([reloads, false]);
  });

  it.each([
    ['is refused for it', true, 'one'],
    ['comes into force before it', false, 'two'],
  ])(
    'serves what it reports when a reload is asked for and a release %s',
    async (_, fails, served) => {
      await publish(store, 'one');
      const { follower } = new FollowerRig(store, copy);
      const loaded = await follower.first(10_000);
      if (loaded === null) throw new Error('nothing to start with');
      const first = keepVersion(loaded);
      const epochs = new EpochTable(first.compiled);
      const swaps: (() => void)[] = [];
      const reloader = new Reloader({
        ...{ first, source: follower.source, logger: recordingLogger() },
        ...{ clock: systemClock, trial: () => null, onTakenBack: async () => {} },
        ...{ addresses: () => new Map(), closedReason: () => '', epochsInUse: () => [] },
        ...{ onBegun: () => {}, onEnded: () => {}, onApplied: () => {} },
        prepare: (order) => prepareVersion(order, () => 0),
        beginVersion: () => epochs.beginVersion(),
        swap: async (shared) => {
          await new Promise<void>((resolve) => swaps.push(resolve));
          if (fails && swaps.length === 1) throw new Error('the trial was ended');
          epochs.take(epochs.plan(shared, () => false));
          return epochs.current;
        },
      });
      follower.attach({ log: () => {}, reload: () => reloader.reload('store') });
      const id = await publish(store, 'two');
      await eventually('the release is being brought into force', () => swaps.length === 1);
      const again = reloader.reload('signal');
      swaps[0]?.();
      await eventually('the reload is, too', () => swaps.length === 2);
      swaps[1]?.();
      await again;
      await eventually('it reports', () =>
        [reportOf().refused?.id, reportOf().release.id].includes(id),
      );
      expect(writtenOf(reloader.current)).toMatchObject({
        routes: [{ respond: { body: served } }],
      });
      expect(follower.origin().refused === null).toBe(!fails);
    },
  );
});
