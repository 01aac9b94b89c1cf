/**
 * How rounds become figures: medians, spreads, and ratios that are taken round by round.
 */
import { type Column, formatNumber, renderTable } from '../support/report.js';
import { type Spread, spreadOf } from '../support/statistics.js';
import type { Measure, RoundFigures } from './scenario.js';

export interface ContenderRounds {
  readonly name: string;
  readonly rounds: readonly RoundFigures[];
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly measures: readonly Measure[];
  readonly contenders: readonly ContenderRounds[];
}

/** Those that everyone else is compared with. */
export const REFERENCES: readonly string[] = [
  'nginx',
  'fastify',
  'nginx-tls',
  'sluice-uws',
  'sluice-1x2',
];
const DIRECT = 'direct';

/** One figure of one contender over the rounds. JSON has no NaN: it reads as null. */
export function spreadIn(one: ContenderRounds, { key }: Measure): Spread {
  return spreadOf(one.rounds.map((round) => round.values[key] ?? Number.NaN));
}

/** `key` divided by the reference's in the same round, over the rounds. */
export function ratioTo(
  one: ContenderRounds,
  reference: ContenderRounds | undefined,
  { key }: Pick<Measure, 'key'>,
): Spread {
  const ratios = one.rounds.map((round, at) => {
    const other = reference?.rounds[at]?.values[key] ?? Number.NaN;
    return (round.values[key] ?? Number.NaN) / other;
  });
  return spreadOf(ratios);
}

/** Whether the figure is one of a gateway, or the origin's own that stands in for it. */
export function isComparable(name: string, measure: Measure): boolean {
  return name !== DIRECT || measure.isOfDirect;
}

export function referencesIn(result: ScenarioResult): readonly ContenderRounds[] {
  return REFERENCES.flatMap((name) => result.contenders.find((one) => one.name === name) ?? []);
}

export function scenarioColumns(result: ScenarioResult): Column[] {
  const references = referencesIn(result);
  return [
    { title: 'contender', align: 'left' },
    ...result.measures.flatMap((one): Column[] => [
      { title: one.title, align: 'right' },
      ...(one.isMain ? [{ title: '±', align: 'right' } as const] : []),
    ]),
    ...ratioMeasures(result).flatMap((one) =>
      references.map(({ name }): Column => ({ title: `${one.short}/${name}`, align: 'right' })),
    ),
    { title: 'errors', align: 'left' },
  ];
}

export function scenarioRows(result: ScenarioResult): string[][] {
  const references = referencesIn(result);
  return result.contenders.map((one) => [
    one.name,
    ...result.measures.flatMap((measure) => {
      const spread = spreadIn(one, measure);
      const figure = formatNumber(spread.median);
      return measure.isMain ? [figure, formatHalfSpread(spread)] : [figure];
    }),
    ...ratioMeasures(result).flatMap((measure) =>
      references.map((other) =>
        isComparable(one.name, measure) ? formatNumber(ratioTo(one, other, measure).median) : '–',
      ),
    ),
    renderErrors(one),
  ]);
}

/** The scenario as text for a terminal. */
export function renderScenario(result: ScenarioResult): string {
  const title = `${result.name}: ${result.title}`;
  if (result.contenders.length === 0) return `${title}\n  nobody here can run it`;
  const notes = result.notes.map((note) => `  ${note}`);
  const table = renderTable(scenarioColumns(result), scenarioRows(result));
  return [title, ...notes, table, ...result.contenders.flatMap(renderThreads)].join('\n');
}

function ratioMeasures(result: ScenarioResult): readonly Measure[] {
  return result.measures.filter((one) => one.hasRatio);
}

/** Half the way from the lowest to the highest round, in percent of the median. */
export function formatHalfSpread({ median, min, max }: Spread): string {
  if (min === max) return '';
  const percent = ((max - min) / 2 / Math.abs(median)) * 100;
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
export function renderThreads(one: ContenderRounds): string[] {
  const names = [...new Set(one.rounds.flatMap((round) => Object.keys(round.byThreadUs)))];
  if (names.length < 2) return [];
  const parts = names.map((name) => {
    const { median } = spreadOf(one.rounds.map((round) => round.byThreadUs[name] ?? 0));
    return `${name} ${formatNumber(median)}`;
  });
  return [`  ${one.name}, CPU µs per request: ${parts.join(', ')}`];
}
