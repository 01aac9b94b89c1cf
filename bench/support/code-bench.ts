/**
 * Benches of code: finding them, running them, and the table of their figures.
 */
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Bench, BenchContext, type BenchSize, type CaseFigures } from './bench-harness.js';
import { type Column, formatNumber } from './report.js';

export interface CodeBenchResult {
  readonly name: string;
  readonly question: string;
  readonly parameters: Readonly<Record<string, number>>;
  readonly cases: readonly CaseFigures[];
}

const BENCH_FOLDER = fileURLToPath(new URL('..', import.meta.url));
const CODE_SUITES = ['micro', 'channel'];
const BENCH_SUFFIX = '.bench.js';

/** Names such as `micro/policy/token-bucket`. */
export function listCodeBenches(): string[] {
  return CODE_SUITES.flatMap((suite) => listBenchFiles(join(BENCH_FOLDER, suite)))
    .map((path) => relative(BENCH_FOLDER, path).split(sep).join('/'))
    .map((path) => path.slice(0, -BENCH_SUFFIX.length))
    .sort();
}

function listBenchFiles(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith(BENCH_SUFFIX))
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

export async function runCodeBench(name: string, size: BenchSize): Promise<CodeBenchResult> {
  const url = pathToFileURL(join(BENCH_FOLDER, `${name}${BENCH_SUFFIX}`));
  const { bench } = (await import(url.href)) as { bench: Bench };
  const context = new BenchContext(size);
  const cases = await bench.run(context);
  return { name, question: bench.question, parameters: context.parameters, cases };
}

export const CODE_COLUMNS: readonly Column[] = [
  { title: 'case', align: 'left' },
  { title: 'operations/s', align: 'right' },
  { title: 'p50 ns', align: 'right' },
  { title: 'p99 ns', align: 'right' },
  { title: 'samples', align: 'right' },
  { title: 'rate/subject', align: 'right' },
  { title: 'checksum', align: 'right' },
];

export function codeRows({ cases }: CodeBenchResult): string[][] {
  let subjectRate = Number.NaN;
  return cases.map((one) => {
    // Alternatives follow the subject that they are compared with.
    if (one.role === 'subject') subjectRate = one.operationsPerSecond;
    return [
      one.role === 'subject' ? one.name : `  ${one.name}`,
      formatNumber(one.operationsPerSecond),
      formatNumber(one.p50Ns),
      formatNumber(one.p99Ns),
      formatNumber(one.samples),
      formatNumber(one.operationsPerSecond / subjectRate),
      (one.checksum >>> 0).toString(16),
    ];
  });
}
