/**
 * What Sluice aims at, as ratios within one run, so that a run says how far it is from there.
 */
import { type Column, formatNumber } from '../support/report.js';
import { type Spread, spreadOf } from '../support/statistics.js';
import { type ContenderRounds, ratioTo, type ScenarioResult } from './round-figures.js';

interface Target {
  readonly scenario: string;
  readonly measure: string;
  readonly what: string;
  readonly contender:
    | 'sluice'
    | 'sluice-2'
    | 'sluice-2x2'
    | 'sluice-4x4'
    | 'sluice-wire'
    | 'sluice-tls';
  /** Whom the figure is divided by; absent: the figure itself. */
  readonly against?: string;
  readonly bound: 'at most' | 'at least';
  readonly limit: number;
  readonly unit: string;
}

export interface TargetOutcome {
  readonly target: Target;
  readonly spread: Spread;
  readonly isMet: boolean;
}

const PLAIN = { contender: 'sluice', bound: 'at most', unit: '×' } as const;
const GET = { ...PLAIN, scenario: 'plain-get', measure: 'cpuUs', what: 'plain GET, CPU' } as const;
const STREAM = { ...PLAIN, measure: 'mbPerSecond', against: 'nginx', bound: 'at least' } as const;
const OWN = { ...PLAIN, measure: 'cpuVsPlain' } as const;
/** Its CPU per request, divided by that of nginx. */
const FEATURE = { ...PLAIN, measure: 'cpuUs', against: 'nginx' } as const;
/** What more threads cost, by the scenario `scale`. */
const CELLS = {
  ...PLAIN,
  scenario: 'scale',
  measure: 'cpuUs',
  against: 'sluice-1x2',
  limit: 1.1,
} as const;
const MEMORY = { bound: 'at most', unit: 'MiB', scenario: 'resident-set' } as const;

const TLS = { contender: 'sluice-tls', against: 'nginx-tls', unit: '×' } as const;
const HTTP2 = { ...TLS, measure: 'cpuUs', bound: 'at most' } as const;
const HANDSHAKES = { ...TLS, measure: 'perCore', bound: 'at least', limit: 0.6 } as const;

const TARGETS: readonly Target[] = [
  { ...GET, against: 'nginx', limit: 1.7 },
  { ...GET, against: 'fastify', limit: 0.45 },
  { ...GET, against: 'caddy', limit: 0.45 },
  { ...OWN, scenario: 'full-pipeline', what: 'full pipeline, CPU / own plain GET', limit: 1.2 },
  { ...OWN, scenario: 'refused-by-limit', what: 'refusal, CPU / own plain GET', limit: 0.4 },
  { ...FEATURE, scenario: 'cache-hit', what: 'reply from memory, CPU', limit: 1.3 },
  { ...FEATURE, scenario: 'cache-hit-64k', what: '64 KiB from memory, CPU', limit: 1.3 },
  { ...OWN, scenario: 'cache-hit', what: 'reply from memory, CPU / own plain GET', limit: 0.6 },
  { ...OWN, scenario: 'cache-hit-64k', what: '64 KiB from memory / own GET', limit: 0.6 },
  {
    ...PLAIN,
    scenario: 'connections-1',
    measure: 'addedUs',
    what: 'latency added at one connection, p50',
    against: 'nginx',
    limit: 2.5,
  },
  { ...CELLS, contender: 'sluice-2x2', what: 'plain GET with 2 × 2 threads, CPU / 1 × 2' },
  { ...CELLS, contender: 'sluice-4x4', what: 'plain GET with 4 × 4 threads, CPU / 1 × 2' },
  { ...STREAM, scenario: 'stream-down', what: '1 GiB down, throughput', limit: 0.7 },
  { ...STREAM, scenario: 'stream-up', what: '1 GiB up, throughput', limit: 0.7 },
  {
    ...GET,
    contender: 'sluice-wire',
    what: 'plain GET by the engine wire, CPU',
    against: 'sluice-uws',
    limit: 1.05,
  },
  {
    ...TLS,
    scenario: 'tls-get',
    measure: 'cpuUs',
    what: 'GET over TLS, CPU',
    bound: 'at most',
    limit: 1.8,
  },
  { ...HANDSHAKES, scenario: 'tls-handshake-full', what: 'full handshakes per core' },
  { ...HANDSHAKES, scenario: 'tls-handshake-resumed', what: 'resumed handshakes per core' },
  {
    ...TLS,
    scenario: 'tls-stream-down',
    measure: 'mbPerSecond',
    what: '1 GiB down over TLS, throughput',
    bound: 'at least',
    limit: 0.7,
  },
  { ...HTTP2, scenario: 'http2-multiplexed', what: 'GET over HTTP/2, 8 × 16, CPU', limit: 0.8 },
  { ...HTTP2, scenario: 'http2-single', what: 'GET over HTTP/2, 64 × 1, CPU', limit: 1.8 },
  { ...FEATURE, scenario: 'grpc-unary', what: 'unary call of gRPC, 8 × 16, CPU', limit: 2 },
  { ...FEATURE, scenario: 'websocket-echo', what: 'round trip over WebSocket, CPU', limit: 1.5 },
  { ...FEATURE, scenario: 'gzip-64k', what: '64 KiB by gzip, CPU', limit: 1.15 },
  {
    ...PLAIN,
    scenario: 'mirror',
    measure: 'p99VsPlain',
    what: 'GET that is copied, p99 / own plain GET',
    limit: 1.02,
  },
  {
    ...MEMORY,
    contender: 'sluice-2',
    measure: 'idleMiB',
    what: 'resident set, idle, 2 workers',
    limit: 140,
  },
  {
    ...MEMORY,
    contender: 'sluice-2',
    measure: 'addedMiB',
    what: 'added by 10,000 idle connections',
    limit: 80,
  },
  {
    ...PLAIN,
    scenario: 'start-time',
    measure: 'listeningMs',
    what: 'listening after exec',
    limit: 400,
    unit: 'ms',
  },
];

export const TARGET_COLUMNS: readonly Column[] = [
  { title: 'aim', align: 'left' },
  { title: '', align: 'left' },
  { title: 'measured', align: 'right' },
  { title: 'bound', align: 'right' },
  { title: 'divided by', align: 'left' },
  { title: 'lowest', align: 'right' },
  { title: 'highest', align: 'right' },
];

/** Only those whose scenario, contender and reference took part. */
export function judgeTargets(scenarios: readonly ScenarioResult[]): TargetOutcome[] {
  return TARGETS.flatMap((target) => {
    const result = scenarios.find((one) => one.name === target.scenario);
    const find = (name: string) => result?.contenders.find((one) => one.name === name);
    const own = find(target.contender);
    const { against } = target;
    const reference = against === undefined ? undefined : find(against);
    if (own === undefined || (against !== undefined && reference === undefined)) return [];
    const spread =
      reference === undefined
        ? ownSpread(own, target.measure)
        : ratioTo(own, reference, { key: target.measure });
    if (!Number.isFinite(spread.median)) return [];
    const isBelow = spread.median <= target.limit;
    const isAbove = spread.median >= target.limit;
    return [{ target, spread, isMet: target.bound === 'at most' ? isBelow : isAbove }];
  });
}

export function targetRows(outcomes: readonly TargetOutcome[]): string[][] {
  return outcomes.map(({ target, spread, isMet }) => [
    target.what,
    isMet ? 'met' : 'missed',
    formatNumber(spread.median),
    `${target.bound === 'at most' ? '≤' : '≥'} ${target.limit} ${target.unit}`,
    target.against ?? '–',
    formatNumber(spread.min),
    formatNumber(spread.max),
  ]);
}

function ownSpread(one: ContenderRounds, key: string): Spread {
  return spreadOf(one.rounds.map((round) => round.values[key] ?? Number.NaN));
}
