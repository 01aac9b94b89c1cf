/**
 * Metrics of upstreams, targets and limits.
 *
 * Thread: supervisor (on the main thread). A part of metrics.ts.
 */
import { assertNever, defined } from '../base/assert.js';
import type { LimitCountValues } from '../channel/coordinator/limit-counts.js';
import {
  HEALTH_EJECTED,
  HEALTH_UNHEALTHY,
  TARGET_CLOSED,
  TARGET_HALF_OPEN,
  TARGET_OPEN,
  type TargetState,
} from '../channel/coordinator/target-states.js';
import type { CompiledTarget } from '../config/compiled-config.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import {
  TARGET_COUNTERS,
  targetCounter,
  targetLatencyHistogram,
  UPSTREAM_COUNTERS,
  upstreamCounter,
} from '../observability/counters.js';
import type { DiscoveryStatus, NameStatus } from '../observability/gateway-status.js';
import {
  type FamilyHead,
  type FamilyType,
  familyText,
  type Labels,
} from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';
import { addHistograms } from './merged-figures.js';
import { FAMILIES } from './metric-families.js';
import { histogramFamily, histogramSamples, ownersOf, type SeriesOwner } from './metric-series.js';

/** One figure of a family, read from one member of an owner. */
type Reading<T> = readonly [FamilyHead, FamilyType, (one: T) => number];

export function* targetPieces(views: GatewayViews): Generator<string> {
  const { config, figures, targets, loads } = views;
  const counter =
    (figure: number) =>
    ({ index }: CompiledTarget): number =>
      figures.sum(targetCounter(config.capacity, index, figure));
  const readings: readonly Reading<CompiledTarget>[] = [
    [FAMILIES.tries, 'counter', counter(TARGET_COUNTERS.requests)],
    [FAMILIES.tryFailures, 'counter', counter(TARGET_COUNTERS.errors)],
    [FAMILIES.connectFailures, 'counter', counter(TARGET_COUNTERS.connectFailures)],
    [FAMILIES.timeouts, 'counter', counter(TARGET_COUNTERS.timeouts)],
    [FAMILIES.targetInFlight, 'gauge', ({ index }) => loads.inFlightOf(index)],
    [FAMILIES.breakerState, 'gauge', ({ index }) => breakerFigure(targets.stateOf(index))],
    [FAMILIES.breakerOpens, 'counter', ({ index }) => targets.opensOf(index)],
    [
      FAMILIES.healthy,
      'gauge',
      ({ index }) => ((targets.healthOf(index) & HEALTH_UNHEALTHY) === 0 ? 1 : 0),
    ],
    [
      FAMILIES.ejected,
      'gauge',
      ({ index }) => ((targets.healthOf(index) & HEALTH_EJECTED) === 0 ? 0 : 1),
    ],
  ];
  const owners = ownersOf(config.targets, ({ hostPort }) => hostPort);
  const labelsOf = ({ label, members }: SeriesOwner<CompiledTarget>): Labels => [
    ['upstream', members.length > 1 ? label : upstreamName(views, members)],
    ['target', label],
  ];
  for (const reading of readings) yield* readingPieces(reading, owners, labelsOf);
  const latencies = owners.map((owner) => {
    const all = owner.members.map(({ index }) =>
      figures.histogram(targetLatencyHistogram(config.capacity, index)),
    );
    return histogramSamples(labelsOf(owner), addHistograms(all));
  });
  yield histogramFamily(FAMILIES.latency, latencies);
  yield* upstreamPieces(views);
}

function* upstreamPieces({ config, figures, concurrency }: GatewayViews): Generator<string> {
  const owners = ownersOf(config.upstreams, ({ name }) => name);
  const families = [
    [FAMILIES.retries, UPSTREAM_COUNTERS.retries],
    [FAMILIES.hedges, UPSTREAM_COUNTERS.hedges],
    [FAMILIES.budgetExhausted, UPSTREAM_COUNTERS.retryBudgetExhausted],
  ] as const;
  for (const [head, figure] of families) {
    const read = ({ index }: { readonly index: number }): number =>
      figures.sum(upstreamCounter(config.capacity, index, figure));
    yield* readingPieces([head, 'counter', read], owners, ({ label }) => [['upstream', label]]);
  }
  const adapted = config.upstreams.filter((one) => one.adaptiveConcurrency);
  const readings: readonly Reading<{ readonly index: number }>[] = [
    [FAMILIES.concurrencyLimit, 'gauge', ({ index }) => concurrency.limitOf(index)],
    [FAMILIES.concurrencyInFlight, 'gauge', ({ index }) => concurrency.inFlightOf(index)],
  ];
  const ownersAdapted = ownersOf(adapted, ({ name }) => name);
  for (const reading of readings) {
    yield* readingPieces(reading, ownersAdapted, ({ label }) => [['upstream', label]]);
  }
}

export function* namePieces(views: GatewayViews): Generator<string> {
  const owners = ownersOf(views.live().targetNames, ({ name }) => name);
  const readings: readonly Reading<NameStatus>[] = [
    [FAMILIES.nameAddresses, 'gauge', ({ addresses }) => addresses.length],
    [FAMILIES.nameFailing, 'gauge', ({ failure }) => (failure === null ? 0 : 1)],
  ];
  if (owners.length === 0) return;
  for (const reading of readings) {
    yield* readingPieces(reading, owners, ({ label }) => [['name', label]]);
  }
}

export function* discoveryPieces(views: GatewayViews): Generator<string> {
  const all = views.live().discovery;
  if (all.length === 0) return;
  const owners = ownersOf(all, ({ upstream }) => upstream);
  const readings: readonly Reading<DiscoveryStatus>[] = [
    [FAMILIES.discoveryTargets, 'gauge', ({ targets }) => targets],
    [FAMILIES.discoveryWaiting, 'gauge', ({ waiting }) => waiting],
    [FAMILIES.discoveryChanges, 'counter', ({ changes }) => changes],
    [FAMILIES.discoveryErrors, 'counter', ({ errors }) => errors],
    [FAMILIES.discoveryHolding, 'gauge', ({ isHolding }) => (isHolding ? 1 : 0)],
    [FAMILIES.discoveryAge, 'gauge', ({ ageMs }) => (ageMs === null ? -1 : ageMs / 1000)],
  ];
  for (const reading of readings) {
    yield* readingPieces(reading, owners, ({ label, members: [first] }) => [
      ['upstream', label],
      ['source', first?.source ?? ''],
    ]);
  }
}

export function* limiterPieces(views: GatewayViews): Generator<string> {
  const { config, limitCounts } = views;
  const families: readonly (readonly [FamilyHead, FamilyType, keyof LimitCountValues])[] = [
    [FAMILIES.limiterAdmitted, 'counter', 'admitted'],
    [FAMILIES.limiterRefused, 'counter', 'refused'],
    [FAMILIES.limiterShadow, 'counter', 'shadowRefused'],
    [FAMILIES.limiterKeys, 'gauge', 'trackedKeys'],
    [FAMILIES.limiterEvictions, 'counter', 'evictions'],
    [FAMILIES.limiterNewKeys, 'counter', 'refusedNewKeys'],
    [FAMILIES.limitCostReserved, 'counter', 'costReserved'],
    [FAMILIES.limitCostSettled, 'counter', 'costSettled'],
    [FAMILIES.limitCostUnknown, 'counter', 'costUnknown'],
  ];
  const owners = ownersOf(yield* namedLimits(config), ({ limit }) => limit);
  for (const [head, type, count] of families) {
    const read = ({ indexes }: NamedLimit): number =>
      indexes.reduce((total, index) => total + limitCounts.read(index)[count], 0);
    yield* readingPieces([head, type, read], owners, ({ label, members: [first, second] }) => [
      ['limit', label],
      ['route', second === undefined ? (first?.route ?? '') : label],
    ]);
  }
}

/** Limits of one route that share a name share a series. */
interface NamedLimit {
  readonly limit: string;
  readonly route: string;
  readonly indexes: readonly number[];
}

function* namedLimits({ limiters, routes }: ServedConfig): Generator<string, NamedLimit[]> {
  const named = new Map<string, NamedLimit>();
  for (const route of routes) {
    for (const index of route.limiterIndexes) {
      const { name } = defined(limiters.find(index), 'the limiter of a route');
      const key = `${route.name} ${name}`;
      const indexes = [...(named.get(key)?.indexes ?? []), index];
      named.set(key, { limit: name, route: route.name, indexes });
    }
    yield '';
  }
  return [...named.values()];
}

/** For several items with one owner the series shows their sum, for levels as for counts. */
function* readingPieces<T>(
  [head, type, read]: Reading<T>,
  owners: readonly SeriesOwner<T>[],
  labelsOf: (owner: SeriesOwner<T>) => Labels,
): Generator<string> {
  const samples: (readonly [Labels, number])[] = [];
  let count = 0;
  for (const owner of owners) {
    let total = 0;
    for (const one of owner.members) {
      total += read(one);
      count += 1;
      // An empty piece: a place to pause in a long list.
      if (count % 64 === 0) yield '';
    }
    samples.push([labelsOf(owner), total]);
  }
  yield familyText(head, type, samples);
}

function upstreamName({ config }: GatewayViews, [only]: readonly CompiledTarget[]): string {
  const { upstreamIndex } = defined(only, 'the target of a series');
  return defined(
    config.upstreams.find(({ index }) => index === upstreamIndex),
    'the upstream of a target',
  ).name;
}

function breakerFigure(state: TargetState): number {
  switch (state) {
    case TARGET_CLOSED:
      return 0;
    case TARGET_HALF_OPEN:
      return 1;
    case TARGET_OPEN:
      return 2;
    default:
      return assertNever(state);
  }
}
