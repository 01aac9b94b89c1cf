import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import type { ServedConfig } from '../../../src/config/shared/shared-config.js';
import type { ConfigSource } from '../../../src/config/source/config-source.js';
import { loadObject } from '../../../src/config/source/load-file.js';
import type { TrialFigures } from '../../../src/observability/gateway-status.js';
import { TrialFailedError } from '../../../src/supervisor/config-trial.js';
import { EpochTable } from '../../../src/supervisor/epoch-table.js';
import { keepVersion, writtenOf } from '../../../src/supervisor/loading/kept-version.js';
import { prepareVersion } from '../../../src/supervisor/loading/prepare-version.js';
import { Reloader } from '../../../src/supervisor/reloader.js';
import { FakeClock } from '../../support/fake-clock.js';
import { recordingLogger } from '../../support/recording-logger.js';

const WRITTEN: GatewayConfig = {
  upstreams: { api: { targets: [{ url: 'http://a.test:80' }], resolve: {} } },
  routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
};

describe('addresses of names', () => {
  let addresses: Map<string, string[]>;
  let closed: string;
  let swaps: ServedConfig[];
  let reloader: Reloader;

  beforeEach(() => {
    const first = keepVersion(loadObject(WRITTEN));
    const epochTable = new EpochTable(first.compiled);
    addresses = new Map();
    closed = '';
    swaps = [];
    reloader = new Reloader({
      first,
      source: undefined,
      clock: new FakeClock(),
      logger: recordingLogger(),
      addresses: () => new Map(addresses),
      prepare: (order) => prepareVersion(order, () => 0),
      beginVersion: () => epochTable.beginVersion(),
      swap: async (shared) => {
        // Somebody holds each version: a stream that does not end.
        epochTable.take(epochTable.plan(shared, () => true));
        swaps.push(epochTable.current);
        return epochTable.current;
      },
      onApplied: () => {},
      closedReason: () => closed,
      onBegun: () => {},
      onEnded: () => {},
      epochsInUse: () => epochTable.epochs,
      trial: () => null,
      onTakenBack: () => Promise.resolve(),
    });
  });

  const hosts = () => swaps.at(-1)?.targets.map(({ hostPort }) => hostPort);
  const fresh = (turn: number) =>
    addresses.set(
      'a.test',
      Array.from({ length: 64 }, (_, at) => `10.0.${turn}.${at}`),
    );

  it('come into force once, and are no reload', async () => {
    addresses.set('a.test', ['10.0.0.1', '10.0.0.2']);
    expect(await reloader.useAddresses()).toBe('');
    expect(hosts()).toEqual(['10.0.0.1:80', '10.0.0.2:80']);
    expect(await reloader.useAddresses()).toBe('');
    expect(swaps).toHaveLength(1);
    expect(reloader.status()).toMatchObject({ reloads: 0, earlierVersions: 0, lastReload: null });
  });

  it('stay in force over a reload, a refused one and a rollback', async () => {
    addresses.set('a.test', ['10.0.0.1']);
    await reloader.useAddresses();
    const [route] = WRITTEN.routes;
    const next = { ...WRITTEN, routes: [{ ...route, timeout: '3s' }] } as GatewayConfig;
    expect(await reloader.applyObject(next)).toMatchObject({
      outcome: 'applied',
      changes: [{}],
    });
    expect(hosts()).toEqual(['10.0.0.1:80']);
    const broken = { ...next, routes: [] } as GatewayConfig;
    expect(await reloader.applyObject(broken)).toMatchObject({
      outcome: 'refused',
    });
    expect(await reloader.rollback()).toMatchObject({ outcome: 'applied' });
    expect(hosts()).toEqual(['10.0.0.1:80']);
    expect(swaps).toHaveLength(3);
  });

  it('a plugin that is restored says nothing of the reload that was refused before', async () => {
    await reloader.applyObject({ ...WRITTEN, routes: [] } as GatewayConfig);
    expect(await reloader.restorePlugin('any')).toMatchObject({ outcome: 'applied' });
    const lastReload = { trigger: 'program', outcome: 'refused' };
    expect(reloader.status()).toMatchObject({ reloads: 1, refusedReloads: 1, lastReload });
  });

  it('and reloads that change nothing are no versions to go back to', async () => {
    const [route] = WRITTEN.routes;
    const next = { ...WRITTEN, routes: [{ ...route, timeout: '3s' }] } as GatewayConfig;
    await reloader.applyObject(next);
    for (let count = 0; count < 12; count += 1) {
      const again = await reloader.applyObject(structuredClone(next));
      expect(again).toMatchObject({ outcome: 'applied', changes: [] });
    }
    expect(reloader.status()).toMatchObject({ reloads: 13, earlierVersions: 1 });
    expect(await reloader.rollback()).toMatchObject({ outcome: 'applied', changes: [{}] });
    expect(writtenOf(reloader.current)).toEqual(WRITTEN);
    expect(await reloader.rollback()).toMatchObject({ outcome: 'refused' });
  });

  it('are forgotten with their name', async () => {
    addresses.set('a.test', ['10.0.0.1']);
    await reloader.useAddresses();
    const other = { ...WRITTEN, upstreams: { api: { targets: [{ url: 'http://b.test:80' }] } } };
    await reloader.applyObject(other as GatewayConfig);
    expect(hosts()).toEqual(['b.test:80']);
    await reloader.rollback();
    expect(hosts()).toEqual(['a.test:80']);
    expect(await reloader.useAddresses()).toBe('');
    expect(hosts()).toEqual(['10.0.0.1:80']);
  });

  it('are refused with the reason when streams hold all rows, and leave all as it was', async () => {
    let reason = '';
    let turns = 0;
    for (; reason === '' && turns < 40; turns += 1) {
      fresh(turns);
      reason = await reloader.useAddresses();
    }
    expect(reason).toMatch(/^more targets than there is room for/);
    expect(swaps.length).toBe(turns - 1);
    expect(swaps.length).toBeGreaterThan(10);
    // What is in force is still good, also for who reloads.
    const before = hosts();
    expect(await reloader.applyObject(WRITTEN)).toMatchObject({
      outcome: 'applied',
    });
    expect(hosts()).toEqual(before);
    addresses.set('a.test', ['10.0.0.1']);
    expect(await reloader.useAddresses()).toBe('');
    expect(hosts()).toEqual(['10.0.0.1:80']);
  });

  it('wait until the gateway takes changes', async () => {
    closed = 'the gateway is starting';
    addresses.set('a.test', ['10.0.0.1']);
    expect(await reloader.useAddresses()).toBe(closed);
    expect(swaps).toEqual([]);
  });
});

describe('a reload while another one is on trial', () => {
  it('ends that trial, and who asks for it hears of its own', async () => {
    const canary = { workers: 1, for: '3s' };
    const versions = [1, 2, 3].map((turn) => ({
      ...WRITTEN,
      reload: { canary },
      routes: [{ ...WRITTEN.routes[0], timeout: `${turn}s` }],
    })) as GatewayConfig[];
    const first = keepVersion(loadObject({ ...WRITTEN, reload: { canary } } as GatewayConfig));
    const epochTable = new EpochTable(first.compiled);
    const trials: { abort(reason: string): void; figures(): TrialFigures }[] = [];
    let closed = '';
    const reloader = new Reloader({
      ...{ first, clock: new FakeClock(), logger: recordingLogger() },
      source: {
        name: 'a test',
        order: () => ({ file: '', environment: {} }),
        onFilesRead: () => {},
      } as unknown as ConfigSource,
      addresses: () => new Map(),
      prepare: (order) => {
        const written = versions.shift() as GatewayConfig;
        return prepareVersion({ ...order, source: { kind: 'object', written } }, () => 0);
      },
      beginVersion: () => epochTable.beginVersion(),
      swap: (shared, asked) =>
        new Promise((_, reject) => {
          const { epoch } = shared.settings;
          trials.push({
            abort: (reason) => reject(new TrialFailedError(reason, false)),
            figures: () => ({ epoch }) as TrialFigures,
          });
          if (trials.length === 3) closed = 'the gateway is draining';
          asked?.onBegun();
        }),
      trial: () => trials.at(-1) ?? null,
      ...{ onApplied: () => {}, onBegun: () => {}, onEnded: () => {} },
      ...{ closedReason: () => closed, epochsInUse: () => [] },
      onTakenBack: () => Promise.resolve(),
    });
    const onTrial: [string, number][] = [];
    const reload = (name: string) =>
      reloader.reload('admin', ({ epoch }) => onTrial.push([name, epoch]));
    const begun = async (count: number) =>
      await vi.waitFor(() => expect(trials).toHaveLength(count));
    expect(reloader.isBusy).toBe(false);
    const one = reload('one');
    await begun(1);
    expect(reloader.isBusy).toBe(true);
    const two = reload('two');
    expect(await one).toMatchObject({ outcome: 'refused' });
    // Asked for before the trial of the second has begun.
    const three = reload('three');
    expect(await two).toMatchObject({ outcome: 'refused' });
    await begun(3);
    expect(onTrial.map(([name]) => name)).toEqual(['one', 'two', 'three']);
    expect(new Set(onTrial.map(([, epoch]) => epoch)).size).toBe(3);
    // The gateway had begun to stop before the trial did.
    const reasons = ['the gateway is draining'];
    expect(await three).toMatchObject({ reasons });
    expect(reloader.isBusy).toBe(false);
    const { epoch } = trials.at(-1)?.figures() ?? {};
    const ended = { epoch, outcome: 'refused', reasons };
    expect(reloader.status()).toMatchObject({ trial: null, lastTrial: ended });
    // What comes after, without a trial, says nothing of that one.
    expect(await reloader.rollback()).toMatchObject({ outcome: 'refused' });
    expect(reloader.status()).toMatchObject({ lastTrial: ended });
  });
});
