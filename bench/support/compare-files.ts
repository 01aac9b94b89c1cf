/**
 * What changed between two result files, in percent.
 */
import { spreadIn } from '../gateway/round-figures.js';
import { type ResultFile, readResultFile } from '../result-file.js';
import { formatNumber, renderTable } from './report.js';

export type FilesVerdict = 'same' | 'worse' | 'not comparable';

interface Figure {
  readonly value: number;
  readonly better: 'less' | 'more';
}

export function readFigures(results: ResultFile): Map<string, Figure> {
  const figures = new Map<string, Figure>();
  for (const { name, cases } of results.benches ?? []) {
    for (const one of cases) {
      figures.set(`${name}, ${one.name}: p50 ns`, { value: one.p50Ns, better: 'less' });
    }
  }
  for (const scenario of results.gateway?.scenarios ?? []) {
    for (const one of scenario.contenders) {
      for (const measure of scenario.measures.filter(({ isMain }) => isMain)) {
        const where = `gateway/${scenario.name}, ${one.name}: ${measure.title}`;
        const value = spreadIn(one, measure).median;
        if (Number.isFinite(value)) figures.set(where, { value, better: measure.better });
      }
    }
  }
  return figures;
}

export function compareFiles(
  beforePath: string,
  afterPath: string,
  thresholdPercent: number,
): FilesVerdict {
  const before = readResultFile(beforePath);
  const after = readResultFile(afterPath);
  for (const [word, { environment }] of Object.entries({ before, after })) {
    const { commit, cpuModel, cores, node, date } = environment;
    process.stdout.write(`${word.padEnd(7)} ${commit}, ${cpuModel} × ${cores}, ${node}, ${date}\n`);
  }
  if (before.size !== 'full' || after.size !== 'full') {
    process.stderr.write('a smoke run measures nothing: compare full runs\n');
    return 'not comparable';
  }
  const earlier = readFigures(before);
  let worse = 0;
  const rows: string[][] = [];
  for (const [name, { value, better }] of readFigures(after)) {
    const old = earlier.get(name);
    // Nothing has no percentage.
    if (old === undefined || old.value === 0) continue;
    const percent = (value / old.value - 1) * 100;
    const loss = better === 'less' ? percent : -percent;
    if (loss > thresholdPercent) worse += 1;
    const change = `${percent > 0 ? '+' : ''}${percent.toFixed(1)} %`;
    const verdict = loss > thresholdPercent ? 'worse' : loss < -thresholdPercent ? 'better' : '';
    rows.push([name, formatNumber(old.value), formatNumber(value), change, verdict]);
  }
  const columns = [
    { title: 'figure', align: 'left' as const },
    { title: 'before', align: 'right' as const },
    { title: 'after', align: 'right' as const },
    { title: 'change', align: 'right' as const },
    { title: `beyond ${thresholdPercent} %`, align: 'left' as const },
  ];
  process.stdout.write(`\n${renderTable(columns, rows)}\n`);
  return worse === 0 ? 'same' : 'worse';
}
