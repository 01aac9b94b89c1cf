/**
 * The figures of one round, and how rounds become a table: medians, spreads, ratios per round.
 */
import type { LoadFigures } from '../support/load-generator.js';
import { type Column, formatNumber, renderTable } from '../support/report.js';
import { type Spread, spreadOf } from '../support/statistics.js';

export interface RoundFigures extends LoadFigures {
  /** CPU time per request; NaN where the system does not tell. */
  readonly cpu: {
    readonly totalUs: number;
    readonly userUs: number;
    readonly systemUs: number;
    readonly byThreadUs: Readonly<Record<string, number>>;
  };
}

export interface ContenderRounds {
  readonly name: string;
  readonly rounds: readonly RoundFigures[];
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly contenders: readonly ContenderRounds[];
}

/** Those that everyone else is compared with. */
const REFERENCES = ['nginx', 'fastify'];

const COLUMNS: readonly Column[] = [
  { title: 'contender', align: 'left' },
  { title: 'requests/s', align: 'right' },
  { title: '±', align: 'right' },
  { title: 'p50 ms', align: 'right' },
  { title: 'p99 ms', align: 'right' },
  { title: 'CPU µs', align: 'right' },
  { title: '±', align: 'right' },
  { title: 'user', align: 'right' },
  { title: 'system', align: 'right' },
  ...REFERENCES.flatMap((name): Column[] => [
    { title: `rate/${name}`, align: 'right' },
    { title: `CPU/${name}`, align: 'right' },
  ]),
  { title: 'errors', align: 'left' },
];

/** One figure of one contender over the rounds. */
export function spread(one: ContenderRounds, figure: (round: RoundFigures) => number): Spread {
  return spreadOf(one.rounds.map(figure));
}

/** `figure` divided by the reference's in the same round, over the rounds. */
export function ratioTo(
  one: ContenderRounds,
  reference: ContenderRounds | undefined,
  figure: (round: RoundFigures) => number,
): Spread {
  const ratios = one.rounds.map((round, at) => {
    const other = reference?.rounds[at];
    return other === undefined ? Number.NaN : figure(round) / figure(other);
  });
  return spreadOf(ratios);
}

export function renderScenario(result: ScenarioResult): string {
  const title = `${result.name}: ${result.title}`;
  if (result.contenders.length === 0) return `${title}\n  nobody here can run it`;
  const rows = result.contenders.map((one) => renderRow(one, result.contenders));
  const parts = result.contenders.flatMap(renderThreads);
  const table = renderTable(COLUMNS, rows);
  return [title, table, ...parts].join('\n');
}

function renderRow(one: ContenderRounds, all: readonly ContenderRounds[]): string[] {
  const rate = spread(one, rateOf);
  const cpu = spread(one, cpuOf);
  const ratios = REFERENCES.flatMap((name) => {
    const reference = all.find((other) => other.name === name);
    // The origin's own cost says nothing about the cost of a gateway.
    const cpuRatio = one.name === 'direct' ? Number.NaN : ratioTo(one, reference, cpuOf).median;
    return [ratioTo(one, reference, rateOf).median, cpuRatio].map(formatNumber);
  });
  return [
    one.name,
    formatNumber(rate.median),
    renderHalfSpread(rate),
    formatNumber(spread(one, (round) => round.p50Us / 1000).median),
    formatNumber(spread(one, (round) => round.p99Us / 1000).median),
    formatNumber(cpu.median),
    renderHalfSpread(cpu),
    formatNumber(spread(one, (round) => round.cpu.userUs).median),
    formatNumber(spread(one, (round) => round.cpu.systemUs).median),
    ...ratios,
    renderErrors(one),
  ];
}

/** Half the way from the lowest to the highest round, in percent of the median. */
function renderHalfSpread({ median, min, max }: Spread): string {
  const percent = ((max - min) / 2 / median) * 100;
  return Number.isFinite(percent) ? `${percent.toFixed(0)} %` : '';
}

function renderErrors(one: ContenderRounds): string {
  const sums: Record<string, number> = {};
  for (const round of one.rounds) {
    for (const [kind, count] of Object.entries(round.errors)) {
      sums[kind] = (sums[kind] ?? 0) + count;
    }
  }
  const entries = Object.entries(sums);
  return entries.length === 0 ? '0' : entries.map(([kind, count]) => `${kind} ${count}`).join(', ');
}

/** Where one contender's CPU time goes, when it has more than one thread to name. */
function renderThreads(one: ContenderRounds): string[] {
  const names = [...new Set(one.rounds.flatMap((round) => Object.keys(round.cpu.byThreadUs)))];
  if (names.length < 2) return [];
  const parts = names.map((name) => {
    const { median } = spread(one, (round) => round.cpu.byThreadUs[name] ?? 0);
    return `${name} ${formatNumber(median)}`;
  });
  return [`  ${one.name}, CPU µs per request: ${parts.join(', ')}`];
}

function rateOf(round: RoundFigures): number {
  return round.perSecond;
}

function cpuOf(round: RoundFigures): number {
  return round.cpu.totalUs;
}
