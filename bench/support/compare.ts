/**
 * `npm run bench:compare -- BEFORE.json AFTER.json [--threshold 5]`: what changed between two
 * result files, in percent. Ends with 1 when something became worse by more than the threshold.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { ScenarioResult } from '../gateway/round-figures.js';
import type { CaseFigures } from './bench-harness.js';
import type { Environment } from './environment.js';
import { formatNumber, renderTable } from './report.js';
import { median } from './statistics.js';

interface ResultFile {
  readonly environment: Environment;
  readonly size: string;
  readonly benches?: readonly { readonly name: string; readonly cases: readonly CaseFigures[] }[];
  readonly gateway?: { readonly scenarios: readonly ScenarioResult[] };
}

const DEFAULT_THRESHOLD_PERCENT = '5';
const EXIT_WORSE = 1;
const EXIT_USAGE = 2;

/** Figures by name; of all of them less is better. */
export function readCosts(results: ResultFile): Map<string, number> {
  const costs = new Map<string, number>();
  for (const { name, cases } of results.benches ?? []) {
    for (const one of cases) costs.set(`${name}, ${one.name}: p50 ns`, one.p50Ns);
  }
  for (const scenario of results.gateway?.scenarios ?? []) {
    for (const { name, rounds } of scenario.contenders) {
      const where = `gateway/${scenario.name}, ${name}`;
      costs.set(`${where}: CPU µs`, median(rounds.map((round) => round.cpu.totalUs)));
      costs.set(`${where}: p99 µs`, median(rounds.map((round) => round.p99Us)));
    }
  }
  return costs;
}

function compare(beforePath: string, afterPath: string, thresholdPercent: number): number {
  const [before, after] = [beforePath, afterPath].map(
    (path) => JSON.parse(readFileSync(path, 'utf8')) as ResultFile,
  ) as [ResultFile, ResultFile];
  for (const [word, { environment }] of Object.entries({ before, after })) {
    const { commit, cpuModel, cores, node, date } = environment;
    process.stdout.write(`${word.padEnd(7)} ${commit}, ${cpuModel} × ${cores}, ${node}, ${date}\n`);
  }
  if (before.size !== 'full' || after.size !== 'full') {
    process.stderr.write('a smoke run measures nothing: compare full runs\n');
    return EXIT_USAGE;
  }
  const costsBefore = readCosts(before);
  let worse = 0;
  const rows: string[][] = [];
  for (const [name, cost] of readCosts(after)) {
    const earlier = costsBefore.get(name);
    if (earlier === undefined) continue;
    const percent = (cost / earlier - 1) * 100;
    const isWorse = percent > thresholdPercent;
    if (isWorse) worse += 1;
    const change = `${percent > 0 ? '+' : ''}${percent.toFixed(1)} %`;
    const verdict = isWorse ? 'worse' : percent < -thresholdPercent ? 'better' : '';
    rows.push([name, formatNumber(earlier), formatNumber(cost), change, verdict]);
  }
  const columns = [
    { title: 'figure (less is better)', align: 'left' as const },
    { title: 'before', align: 'right' as const },
    { title: 'after', align: 'right' as const },
    { title: 'change', align: 'right' as const },
    { title: `beyond ${thresholdPercent} %`, align: 'left' as const },
  ];
  process.stdout.write(`\n${renderTable(columns, rows)}\n`);
  return worse === 0 ? 0 : EXIT_WORSE;
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { threshold: { type: 'string', default: DEFAULT_THRESHOLD_PERCENT } },
  });
  const [before, after] = positionals;
  const threshold = Number(values.threshold);
  if (before === undefined || after === undefined || !(threshold >= 0)) {
    process.stderr.write('usage: bench:compare -- BEFORE.json AFTER.json [--threshold PERCENT]\n');
    return EXIT_USAGE;
  }
  return compare(before, after, threshold);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main();
