/**
 * Question: how long does a reload keep each of the threads that serve from serving?
 *
 * The subjects are what the main thread, a worker and the coordinator do with a version that the
 * loader has made. The alternative is what a worker did before: build its own table of routes.
 */
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import { routePatterns } from '../../../src/config/shared/route-patterns.js';
import { openConfig } from '../../../src/config/shared/shared-config.js';
import { uniteConfigs } from '../../../src/config/shared/unite-configs.js';
import { loadObject } from '../../../src/config/source/load-file.js';
import { Coordinator } from '../../../src/coordinator/coordinator.js';
import { allocateCoordinatorMemory } from '../../../src/coordinator/coordinator-setup.js';
import { linearPatterns } from '../../../src/filters/validation/linear-pattern.js';
import { RouteTable } from '../../../src/routing/route-table.js';
import { EpochTable } from '../../../src/supervisor/epoch-table.js';
import { keepVersion } from '../../../src/supervisor/loading/kept-version.js';
import {
  prepareVersion,
  type VersionReport,
} from '../../../src/supervisor/loading/prepare-version.js';
import { FindMyWayTable } from '../../alternatives/find-my-way-table.js';
import { type Bench, fold } from '../../support/bench-harness.js';

type Ready = Extract<VersionReport, { readonly outcome: 'ready' }>;

export const bench: Bench = {
  question: 'how long does a reload keep the threads that serve from serving?',

  async run(context) {
    const routeCount = context.parameter('routes', 20, 2000);
    const written = configuration(routeCount);
    const loaded = loadObject(written);
    const kept = keepVersion(loaded);
    const table = new EpochTable(kept.compiled);
    const report = await prepareVersion(
      {
        source: { kind: 'object', written: configuration(routeCount, 'x') },
        before: kept,
        addresses: new Map(),
        next: table.beginVersion(),
      },
      () => 0,
    );
    if (report.outcome !== 'ready') throw new Error(report.reasons.join());
    const patterns = loaded.compiled.routes.flatMap(routePatterns);
    return context.measureEach([
      {
        name: 'reload: main thread',
        role: 'subject',
        operations: 1,
        run: () => onMainThread(report, new EpochTable(kept.compiled)),
      },
      { name: 'reload: a worker', role: 'subject', operations: 1, run: () => inWorker(report) },
      {
        name: 'reload: coordinator',
        role: 'subject',
        operations: 1,
        run: coordinatorOf(report, kept.compiled),
      },
      {
        name: 'reload: a table of find-my-way in each worker',
        role: 'alternative',
        operations: 1,
        run: () => fold(0, new FindMyWayTable(patterns).find('GET', '/s0/7')),
      },
    ]);
  },
};

function configuration(count: number, suffix = ''): GatewayConfig {
  return {
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    routes: Array.from({ length: count }, (_, at) => ({
      name: `r${at}`,
      match: { path: at % 2 === 0 ? `/s${at}/:id` : `/s${at}/v${suffix}` },
      upstream: 'api',
      rateLimit: { limit: 100, window: '1m' as const },
    })),
  };
}

/** What comes from the loader and goes to two workers is posted; then rows are counted. */
function onMainThread(report: Ready, table: EpochTable): number {
  const { placed } = structuredClone(report);
  for (let worker = 0; worker < 2; worker += 1) structuredClone(placed);
  const freed = table.take(table.plan(placed, () => false));
  return fold(0, freed.routes.length);
}

function inWorker({ placed }: Ready): number {
  const config = openConfig(structuredClone(placed));
  return fold(0, new RouteTable(config.table, linearPatterns).find('GET', '/s0/7'));
}

function coordinatorOf({ placed }: Ready, before: Ready['placed']): () => number {
  const nothing = (): void => {};
  const coordinator = new Coordinator(
    uniteConfigs([openConfig(before)]),
    allocateCoordinatorMemory(before.settings),
    {
      onBreakerTransition: nothing,
      onHealthTransition: nothing,
      onMail: nothing,
      onStop: nothing,
    },
  );
  return () => {
    const configs = [before, structuredClone(placed)].map(openConfig);
    coordinator.adopt(uniteConfigs(configs));
    return fold(0, configs.length);
  };
}
