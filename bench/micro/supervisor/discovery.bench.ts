/**
 * Question: what does one change among a thousand targets that are found cost each thread?
 *
 * Five upstreams of two hundred targets each; in each change another target takes the place of one.
 * The alternative is what a change of addresses behind a listed name costs: another version of the
 * configuration, made by the loader.
 */

import { TargetSlotWriter } from '../../../src/channel/coordinator/target-slots.js';
import { withAddresses } from '../../../src/config/compile/compile-config.js';
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import { placeConfig, rowsInUse } from '../../../src/config/shared/place-config.js';
import { openConfig } from '../../../src/config/shared/shared-config.js';
import { uniteConfigs } from '../../../src/config/shared/unite-configs.js';
import { loadObject } from '../../../src/config/source/load-file.js';
import { Coordinator } from '../../../src/coordinator/coordinator.js';
import { allocateCoordinatorMemory } from '../../../src/coordinator/coordinator-setup.js';
import type { FoundTarget } from '../../../src/supervisor/discovery/address-source.js';
import { FoundTargets } from '../../../src/supervisor/discovery/found-targets.js';
import { UpstreamRows } from '../../../src/supervisor/discovery/upstream-rows.js';
import { EpochTable } from '../../../src/supervisor/epoch-table.js';
import { HealthProber } from '../../../src/supervisor/health-prober.js';
import { keepVersion, writtenOf } from '../../../src/supervisor/loading/kept-version.js';
import { WorkloadIdentity } from '../../../src/worker/upstream/workload-identity.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const UPSTREAMS = 5;
const ADDRESSES_OF_A_NAME = 64;

export const bench: Bench = {
  question: 'what does one change among a thousand targets that are found cost each thread?',

  run(context) {
    const targets = context.parameter('targets of an upstream', 10, 200);
    const kept = keepVersion(loadObject(found(targets)));
    const config = openConfig(kept.compiled);
    const memory = allocateCoordinatorMemory(config);
    const nothing = (): void => {};
    const host = { onBreakerTransition: nothing, onHealthTransition: nothing };
    const end = { onMail: nothing, onStop: nothing };
    const coordinator = new Coordinator(uniteConfigs([config]), memory, { ...host, ...end });
    const slots = new TargetSlotWriter(memory.slots);
    const all = config.upstreams.map(({ targetIndexes }) => {
      const rows = new UpstreamRows(slots, () => 0);
      rows.adopt(targetIndexes, targets);
      rows.apply(addresses(targets, 0));
      return rows;
    });
    coordinator.onTargetsChanged();
    const prober = new HealthProber({
      onResult: nothing,
      random: () => 0,
      workload: new WorkloadIdentity(),
    });
    const shown = new FoundTargets(slots);
    let nowMs = 0;
    let change = 0;
    // Rows that are left become free at once: the time between them is not what is measured.
    const settle = (rows: UpstreamRows): void => {
      coordinator.onTargetsChanged();
      rows.sweep(nowMs);
      nowMs += 10_000;
      rows.sweep(nowMs);
    };
    const apply = (): UpstreamRows => {
      change += 1;
      const rows = all[change % UPSTREAMS] as UpstreamRows;
      rows.apply(addresses(targets, change));
      return rows;
    };
    return context.measureEach([
      {
        name: 'discovery: rows on the main thread, and the coordinator',
        role: 'subject',
        operations: 1,
        run: () => {
          settle(apply());
          return change;
        },
      },
      {
        name: 'discovery: the same, pages and health checks told',
        role: 'subject',
        operations: 1,
        run: () => {
          settle(apply());
          const { length } = shown.in(config).targets;
          prober.adopt(shown.in(config));
          return length;
        },
      },
      {
        name: 'discovery: another version for an address of a name',
        role: 'alternative',
        operations: 1,
        run: versionOf(targets),
      },
    ]);
  },
};

/**
 * Names with as many addresses as a name may have, until there are as many targets. Only what the
 * loader does with the addresses: each thread has its part to do after that.
 */
function versionOf(targets: number): () => number {
  const names = Math.ceil((targets * UPSTREAMS) / ADDRESSES_OF_A_NAME);
  const kept = keepVersion(loadObject(listed(names)));
  const table = new EpochTable(kept.compiled);
  let change = 0;
  return () => {
    change += 1;
    const known = Array.from({ length: names }, (_, at) => {
      const hosts = addresses(ADDRESSES_OF_A_NAME, at === 0 ? change : 0).map(({ host }) => host);
      return [`n${at}.test`, hosts] as const;
    });
    const next = table.beginVersion();
    const { upstreams } = writtenOf(kept);
    const settings = withAddresses(upstreams, kept.compiled.settings, new Map(known));
    const placed = placeConfig({ ...kept.compiled, settings }, rowsInUse(next.versions), next);
    return fold(0, placed.settings.targets.length);
  };
}

/** `change`: which one of them is another. */
function addresses(count: number, change: number): FoundTarget[] {
  return Array.from({ length: count }, (_, at) => {
    const serial = at === change % count ? change : 0;
    const host = `10.${serial & 255}.${(serial >> 8) & 255}.${at}`;
    return { host, port: 80, name: host, weight: 1, isBackup: false };
  });
}

function found(targets: number): GatewayConfig {
  const upstream = { targets: { file: 'targets.json', maxTargets: targets } };
  return configuration(Array.from({ length: UPSTREAMS }, () => upstream));
}

function listed(names: number): GatewayConfig {
  return configuration(
    Array.from({ length: names }, (_, at) => ({
      targets: [{ url: `http://n${at}.test:80` }],
      resolve: {},
    })),
  );
}

function configuration(
  upstreams: readonly NonNullable<GatewayConfig['upstreams']>[string][],
): GatewayConfig {
  return {
    upstreams: Object.fromEntries(upstreams.map((upstream, at) => [`u${at}`, upstream])),
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'u0' }],
  };
}
