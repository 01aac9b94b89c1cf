/**
 * Metrics of the process, its threads and lanes.
 *
 * Thread: supervisor (on the main thread). A part of metrics.ts.
 */
import type { AcceptorFigures, ListenerFigures } from '../channel/acceptor/acceptor-figures.js';
import { COUNTERS, loopDelayHistogram } from '../observability/counters.js';
import type { StoreFigures } from '../observability/gateway-status.js';
import { familyText, type Labels } from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';
import { FAMILIES, PROCESS_FAMILIES, STORE_FAMILIES } from './metric-families.js';
import { histogramFamily, histogramSamples } from './metric-series.js';

/** The coordinator's counters that are levels, or have a family of their own. */
const NOT_EVENTS: ReadonlySet<string> = new Set(['trackedKeys']);

/** `startSeconds`: Unix time at which the process started. */
export function* processPieces(views: GatewayViews, startSeconds: number): Generator<string> {
  const live = views.live();
  const version: Labels = [
    ['version', live.version],
    ['node', process.version],
  ];
  const { user, system } = process.cpuUsage();
  const uptimeSeconds = (views.clock.nowMs() - live.startedMs) / 1000;
  yield [
    familyText(FAMILIES.build, 'gauge', [[version, 1]]),
    familyText(FAMILIES.uptime, 'gauge', [[[], uptimeSeconds]]),
    familyText(FAMILIES.epoch, 'gauge', [[[], views.config.epoch]]),
    reloadText(views),
    familyText(FAMILIES.inFlight, 'gauge', [[[], live.inFlight]]),
    familyText(PROCESS_FAMILIES.resident, 'gauge', [[[], process.memoryUsage.rss()]]),
    familyText(PROCESS_FAMILIES.cpu, 'counter', [[[], (user + system) / 1e6]]),
    familyText(PROCESS_FAMILIES.start, 'gauge', [[[], startSeconds]]),
  ].join('');
  yield storeText(views);
  yield coordinatorText(views);
  if (live.store !== null) yield sharedStoreText(live.store);
  yield acceptorText(views);
  yield turnedAwayText(views);
  yield http2Text(views);
  yield mistakesText(views);
  yield laneText(views);
}

function reloadText(views: GatewayViews): string {
  const { reloads, refusedReloads, lastReload } = views.configuration();
  const isRefused = lastReload?.outcome === 'refused';
  return [
    familyText(FAMILIES.reloads, 'counter', [
      [[['outcome', 'applied']], reloads],
      [[['outcome', 'refused']], refusedReloads],
    ]),
    familyText(FAMILIES.lastReload, 'gauge', [[[], isRefused ? 0 : 1]]),
  ].join('');
}

/** Of a configuration that comes from a file there is nothing to say. */
function storeText(views: GatewayViews): string {
  const { origin } = views.configuration();
  if (origin === null) return '';
  const { provider, release, from, ageMs, refused, parts } = origin;
  const labels: Labels = [
    ['provider', provider],
    ['release', release],
    ['from', from],
  ];
  const refusals = parts.filter((part) => part.refused !== null).length;
  return [
    familyText(STORE_FAMILIES.release, 'gauge', [[labels, 1]]),
    familyText(STORE_FAMILIES.age, 'gauge', ageMs === null ? [] : [[[], ageMs / 1000]]),
    familyText(STORE_FAMILIES.refused, 'gauge', [[[], refusals + (refused === null ? 0 : 1)]]),
  ].join('');
}

function coordinatorText(views: GatewayViews): string {
  const { coordinator } = views;
  const counts = coordinator.readCounts();
  const events = Object.entries(counts)
    .filter(([name]) => !NOT_EVENTS.has(name))
    .map(([name, count]): readonly [Labels, number] => [[['kind', name]], count]);
  const beatAgeMs = Math.max(0, views.clock.nowMs() - coordinator.lastBeatMs());
  return [
    familyText(FAMILIES.coordinatorEvents, 'counter', events),
    familyText(FAMILIES.coordinatorKeys, 'gauge', [[[], counts.trackedKeys]]),
    familyText(FAMILIES.coordinatorBeat, 'gauge', [[[], beatAgeMs / 1000]]),
    familyText(FAMILIES.coordinatorDeaths, 'counter', [[[], views.live().coordinatorDeaths]]),
  ].join('');
}

function sharedStoreText({ isUp, isFollowing, nodes, deaths, counts }: StoreFigures): string {
  const events = Object.entries(counts).map(([name, count]): readonly [Labels, number] => [
    [['kind', name]],
    count,
  ]);
  return [
    familyText(FAMILIES.storeUp, 'gauge', [[[], isUp ? 1 : 0]]),
    familyText(FAMILIES.storeFollowing, 'gauge', [[[], isFollowing ? 1 : 0]]),
    familyText(FAMILIES.storeNodes, 'gauge', [[[], nodes]]),
    familyText(FAMILIES.storeEvents, 'counter', events),
    familyText(FAMILIES.storeDeaths, 'counter', [[[], deaths]]),
  ].join('');
}

function acceptorText(views: GatewayViews): string {
  const { acceptors } = views.live();
  const each = (read: (one: AcceptorFigures) => number) =>
    acceptors.map((one, acceptor): readonly [Labels, number] => [
      [['acceptor', String(acceptor)]],
      read(one),
    ]);
  const refused = acceptors.flatMap(({ connections }, acceptor) => {
    const labelsOf = (reason: string): Labels => [
      ['acceptor', String(acceptor)],
      ['reason', reason],
    ];
    return [
      [labelsOf('in_all'), connections.refusedInAll] as const,
      [labelsOf('of_address'), connections.refusedOfAddress] as const,
    ];
  });
  return [
    familyText(
      FAMILIES.connections,
      'gauge',
      each(({ connections }) => connections.open),
    ),
    familyText(FAMILIES.connectionsRefused, 'counter', refused),
    familyText(
      FAMILIES.moved,
      'counter',
      each(({ movedRequests }) => movedRequests),
    ),
    familyText(
      FAMILIES.acceptorDeaths,
      'counter',
      each(({ deaths }) => deaths),
    ),
    familyText(
      FAMILIES.acceptorResting,
      'gauge',
      each(({ isResting }) => (isResting ? 1 : 0)),
    ),
    familyText(
      FAMILIES.connectionsLost,
      'counter',
      each(({ lostConnections }) => lostConnections),
    ),
  ].join('');
}

function turnedAwayText(views: GatewayViews): string {
  const counts = views.live().listeners.flatMap(({ name, turnedAway }) =>
    turnedAway.map(([reason, count]): readonly [Labels, number] => [
      [
        ['listener', name],
        ['reason', reason],
      ],
      count,
    ]),
  );
  return counts.length === 0 ? '' : familyText(FAMILIES.turnedAway, 'counter', counts);
}

/** Listeners of the engine `uws` have none and are not there. */
function http2Text(views: GatewayViews): string {
  const listeners = views.live().listeners.filter(({ engine }) => engine === 'wire');
  const each = (read: (one: ListenerFigures) => number) =>
    listeners.map((one): readonly [Labels, number] => [[['listener', one.name]], read(one)]);
  if (listeners.length === 0) return '';
  return [
    familyText(
      FAMILIES.http2Connections,
      'gauge',
      each(({ http2Connections }) => http2Connections),
    ),
    familyText(
      FAMILIES.http2Streams,
      'gauge',
      each(({ http2Streams }) => http2Streams),
    ),
  ].join('');
}

function mistakesText(views: GatewayViews): string {
  const counts = views.live().listeners.flatMap(({ name, mistakes }) =>
    mistakes.map(([reason, count]): readonly [Labels, number] => [
      [
        ['listener', name],
        ['reason', reason],
      ],
      count,
    ]),
  );
  return counts.length === 0 ? '' : familyText(FAMILIES.http2Mistakes, 'counter', counts);
}

function laneText(views: GatewayViews): string {
  const { lanes: facts, workerDeaths } = views.live();
  const lanes = facts.map((one, lane) => ({ ...one, lane }));
  const labelsOf = (lane: number): Labels => [['lane', String(lane)]];
  const towards = (lane: number, direction: 'request' | 'reply'): Labels => [
    ...labelsOf(lane),
    ['direction', direction],
  ];
  const bytes = lanes.flatMap((row) => [
    [towards(row.lane, 'request'), row.requestBytes] as const,
    [towards(row.lane, 'reply'), row.replyBytes] as const,
  ]);
  const ofWorker = (lane: number, figure: number): number =>
    views.figures.ofWorker(lane)?.read(figure) ?? 0;
  const records = lanes.flatMap((row) => [
    [towards(row.lane, 'request'), ofWorker(row.lane, COUNTERS.laneRecords)] as const,
    [towards(row.lane, 'reply'), row.records] as const,
  ]);
  const wakes = lanes.flatMap((row) => [
    [towards(row.lane, 'request'), row.wakes] as const,
    [towards(row.lane, 'reply'), ofWorker(row.lane, COUNTERS.laneWakes)] as const,
  ]);
  const each = (read: (row: (typeof lanes)[number]) => number) =>
    lanes.map((row) => [labelsOf(row.lane), read(row)] as const);
  return [
    familyText(
      FAMILIES.laneServed,
      'gauge',
      each(({ isServed }) => (isServed ? 1 : 0)),
    ),
    familyText(
      FAMILIES.laneInFlight,
      'gauge',
      each((row) => row.inFlight),
    ),
    familyText(FAMILIES.laneBytes, 'gauge', bytes),
    familyText(
      FAMILIES.laneBacklog,
      'gauge',
      each((row) => row.backlogBytes),
    ),
    familyText(
      FAMILIES.laneBlocks,
      'gauge',
      each((row) => row.bodyBlocks),
    ),
    familyText(FAMILIES.laneRecords, 'counter', records),
    familyText(FAMILIES.laneWakes, 'counter', wakes),
    familyText(
      FAMILIES.laneStale,
      'counter',
      each((row) => row.staleRecords),
    ),
    familyText(
      FAMILIES.workerDeaths,
      'counter',
      each(({ lane }) => workerDeaths[lane] ?? 0),
    ),
  ].join('');
}

export function* threadPieces({ figures }: GatewayViews): Generator<string> {
  const labelsOf = (block: number): Labels => [['thread', figures.threads[block] ?? '']];
  const each = (figure: number, divisor = 1) =>
    figures.blocks.map((block, at) => [labelsOf(at), block.read(figure) / divisor] as const);
  const delays = figures.blocks.map((block, at) =>
    histogramSamples(labelsOf(at), figures.histogram(loopDelayHistogram(), [block])),
  );
  yield [
    histogramFamily(FAMILIES.loopDelay, delays),
    familyText(FAMILIES.loopActive, 'counter', each(COUNTERS.loopActiveMs, 1000)),
    familyText(FAMILIES.heap, 'gauge', each(COUNTERS.heapUsedBytes)),
    familyText(FAMILIES.logDropped, 'counter', each(COUNTERS.droppedLogLines)),
  ].join('');
}
