/** What /metrics says of the process, its acceptors and upstreams; and that no family is forgotten. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import type { GatewayViews } from '../../../src/admin/gateway-views.js';
import { MergedFigures } from '../../../src/admin/merged-figures.js';
import { FAMILIES, PROCESS_FAMILIES, STORE_FAMILIES } from '../../../src/admin/metric-families.js';
import { MetricsReader } from '../../../src/admin/metrics.js';
import { processPieces } from '../../../src/admin/metrics-of-process.js';
import { targetPieces } from '../../../src/admin/metrics-of-upstreams.js';
import {
  allocateCoordinatorStatus,
  CoordinatorStatus,
} from '../../../src/channel/coordinator/coordinator-status.js';
import { FakeClock } from '../../support/fake-clock.js';

const ACCEPTOR = {
  ...{ isServing: true, osThreadId: 1, inFlight: 0, requests: 9, movedRequests: 3 },
  connections: { open: 7, taken: 20, refusedInAll: 5, refusedOfAddress: 2 },
  ...{ deaths: 0, lostConnections: 0, isResting: false },
};

const SHAPE = { routes: 0, targets: 0, upstreams: 2 };

function viewsOf(clock: FakeClock): GatewayViews {
  const upstreams = [
    { name: 'adapted', index: 0, adaptiveConcurrency: {} },
    { name: 'other', index: 1, adaptiveConcurrency: null },
  ];
  const live = { version: '1', startedMs: 0, inFlight: 0, store: null, coordinatorDeaths: 0 };
  const rows = { acceptors: [ACCEPTOR, ACCEPTOR], listeners: [], lanes: [], workerDeaths: [] };
  const views = {
    clock,
    config: { epoch: 1, capacity: SHAPE, upstreams, targets: [] },
    figures: new MergedFigures([], SHAPE),
    coordinator: new CoordinatorStatus(allocateCoordinatorStatus(1)),
    concurrency: { limitOf: () => 40, inFlightOf: () => 12 },
    live: () => ({ ...live, ...rows }),
    configuration: () => ({ reloads: 0, refusedReloads: 0, lastReload: null, origin: null }),
  };
  return views as unknown as GatewayViews;
}

const linesOf = (pieces: Iterable<string>, name: string): string[] =>
  [...pieces]
    .join('')
    .split('\n')
    .filter((line) => line.startsWith(name));

it('connections and requests of acceptors have a series each', () => {
  const text = [...processPieces(viewsOf(new FakeClock()), 0)];
  expect(linesOf(text, 'gateway_connections_')).toEqual([
    'gateway_connections_open{acceptor="0"} 7',
    'gateway_connections_open{acceptor="1"} 7',
    'gateway_connections_refused_total{acceptor="0",reason="in_all"} 5',
    'gateway_connections_refused_total{acceptor="0",reason="of_address"} 2',
    'gateway_connections_refused_total{acceptor="1",reason="in_all"} 5',
    'gateway_connections_refused_total{acceptor="1",reason="of_address"} 2',
    'gateway_connections_lost_total{acceptor="0"} 0',
    'gateway_connections_lost_total{acceptor="1"} 0',
  ]);
  expect(linesOf(text, 'gateway_moved_requests_total{')).toHaveLength(2);
});

it('upstreams whose concurrency is adapted have their limit, and others none', () => {
  expect(linesOf(targetPieces(viewsOf(new FakeClock())), 'gateway_upstream_concurrency')).toEqual([
    'gateway_upstream_concurrency_limit{upstream="adapted"} 40',
    'gateway_upstream_concurrency_in_flight{upstream="adapted"} 12',
  ]);
});

it('the time at which the process has started is the same whenever it is asked', () => {
  const clock = new FakeClock();
  const startedMs = clock.unixMs();
  const uptime = vi.spyOn(process, 'uptime').mockReturnValue(50);
  const reader = new MetricsReader(viewsOf(clock));
  const started = (): string[] => {
    const [first = ''] = reader.pieces();
    return linesOf([first], 'process_start_time_seconds');
  };
  const before = started();
  clock.setWall(2000);
  uptime.mockReturnValue(50.25);
  expect(started()).toEqual(before);
  expect(before).toEqual([`process_start_time_seconds ${startedMs / 1000 - 50}`]);
  uptime.mockRestore();
});

it('each family is written by something', () => {
  const folder = new URL('../../../src/admin/', import.meta.url);
  const code = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('');
  const unused = Object.entries({ FAMILIES, PROCESS_FAMILIES, STORE_FAMILIES }).flatMap(
    ([table, families]) =>
      Object.keys(families)
        .map((key) => `${table}.${key}`)
        .filter((use) => !new RegExp(`\\b${use}\\b`).test(code)),
  );
  expect(unused).toEqual([]);
});
