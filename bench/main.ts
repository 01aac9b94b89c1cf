/**
 * `npm run bench`: everything; `npm run bench -- micro`, `-- gateway`, `-- gateway/plain-get`:
 * what the words are part of the name of. `--help` tells the rest.
 */
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTENDERS, type GatewayBenchResult, runGatewayBench } from './gateway/gateway-bench.js';
import { renderScenario } from './gateway/round-figures.js';
import { SCENARIOS } from './gateway/scenarios.js';
import {
  type Bench,
  BenchContext,
  type BenchSize,
  type CaseFigures,
} from './support/bench-harness.js';
import { describeEnvironment, listDoubts, readEnvironment } from './support/environment.js';
import { type Column, formatNumber, renderTable, writeResults } from './support/report.js';

const BENCH_FOLDER = fileURLToPath(new URL('.', import.meta.url));
const CODE_SUITES = ['micro', 'channel'];
const BENCH_SUFFIX = '.bench.js';
/** Load generator, contender, origin; Sluice brings a second thread. */
const GATEWAY_THREADS = 4;
const CHANNEL_THREADS = 2;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const USAGE = `usage: npm run bench -- [NAME...] [options]

  NAME                  run the benches whose name contains it: micro, channel, gateway,
                        gateway/plain-get, token-bucket
  --list                print the names and stop
  --smoke               smallest sizes: shows that the benches work, measures nothing
  --json FILE           where the results go (default: bench/results/<date>.json)
  --rounds N            gateway: measured rounds for each contender (3)
  --seconds N           gateway: length of a round (4)
  --warmup N            gateway: length of the round that is thrown away (3)
  --connections N       gateway: keep-alive connections of the load generator (64)
  --only A,B            gateway: contenders (${CONTENDERS.map((one) => one.name).join(', ')})
`;

interface CodeBenchResult {
  readonly name: string;
  readonly question: string;
  readonly parameters: Readonly<Record<string, number>>;
  readonly cases: readonly CaseFigures[];
}

interface Options {
  readonly names: readonly string[];
  readonly isList: boolean;
  readonly size: BenchSize;
  readonly json: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly connections: number;
  readonly only: readonly string[];
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return EXIT_USAGE;
  const isAsked = (name: string) =>
    options.names.length === 0 || options.names.some((part) => name.includes(part));
  const codeBenches = listCodeBenches().filter(isAsked);
  const scenarios = SCENARIOS.filter((one) => isAsked(`gateway/${one.name}`));
  if (codeBenches.length + scenarios.length === 0) {
    process.stderr.write(`no bench is called ${options.names.join(' or ')}: see --list\n`);
    return EXIT_USAGE;
  }
  if (options.isList) {
    const names = [...codeBenches, ...scenarios.map((one) => `gateway/${one.name}`)];
    process.stdout.write(`${names.join('\n')}\n`);
    return 0;
  }
  const environment = readEnvironment();
  const hasChannels = codeBenches.some((name) => name.startsWith('channel/'));
  const threads = scenarios.length > 0 ? GATEWAY_THREADS : hasChannels ? CHANNEL_THREADS : 1;
  const doubts = listDoubts(environment, threads);
  process.stdout.write(`${describeEnvironment(environment)}\n`);
  for (const doubt of doubts) process.stdout.write(`doubt    ${doubt}\n`);

  const failures: string[] = [];
  const benches = await runCodeBenches(codeBenches, options.size, failures);
  const gateway = scenarios.length === 0 ? undefined : await runGateway(options, failures);
  const results = { environment, doubts, size: options.size, failures, benches, gateway };
  process.stdout.write(`\nresults  ${writeResults(results, options.json)}\n`);
  for (const failure of failures) process.stderr.write(`failed   ${failure}\n`);
  return failures.length === 0 ? 0 : EXIT_FAILED;

  async function runGateway(from: Options, failed: string[]) {
    try {
      const isSmoke = from.size === 'smoke';
      const result = await runGatewayBench({
        scenarios,
        contenders: from.only,
        rounds: isSmoke ? 1 : from.rounds,
        seconds: isSmoke ? 1 : from.seconds,
        warmupSeconds: isSmoke ? 0 : from.warmup,
        connections: from.connections,
      });
      printGateway(result);
      failed.push(...result.failures);
      return result;
    } catch (error) {
      failed.push(`gateway: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }
}

function readOptions(): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        list: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'string', default: '' },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '4' },
        warmup: { type: 'string', default: '3' },
        connections: { type: 'string', default: '64' },
        only: { type: 'string', default: '' },
      },
    });
    if (values.help) throw new Error(USAGE);
    const only = values.only === '' ? [] : values.only.split(',');
    const unknown = only.filter((name) => !CONTENDERS.some((one) => one.name === name));
    if (unknown.length > 0) throw new Error(`no such contender: ${unknown.join(', ')}\n${USAGE}`);
    return {
      names: positionals,
      isList: values.list,
      size: values.smoke ? 'smoke' : 'full',
      json: values.json,
      rounds: readCount('rounds', values.rounds, 1),
      seconds: readCount('seconds', values.seconds, 1),
      warmup: readCount('warmup', values.warmup, 0),
      connections: readCount('connections', values.connections, 1),
      only,
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

function readCount(name: string, text: string, min: number): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < min) {
    throw new Error(`--${name} takes a whole number from ${min} on, not ${text}`);
  }
  return count;
}

/** Names such as `micro/policy/token-bucket`. */
function listCodeBenches(): string[] {
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

async function runCodeBenches(
  names: readonly string[],
  size: BenchSize,
  failures: string[],
): Promise<CodeBenchResult[]> {
  const results: CodeBenchResult[] = [];
  for (const name of names) {
    try {
      const url = pathToFileURL(join(BENCH_FOLDER, `${name}${BENCH_SUFFIX}`));
      const { bench } = (await import(url.href)) as { bench: Bench };
      const context = new BenchContext(size);
      const cases = await bench.run(context);
      const result = { name, question: bench.question, parameters: context.parameters, cases };
      results.push(result);
      printCodeBench(result);
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return results;
}

const CODE_COLUMNS: readonly Column[] = [
  { title: 'case', align: 'left' },
  { title: 'operations/s', align: 'right' },
  { title: 'p50 ns', align: 'right' },
  { title: 'p99 ns', align: 'right' },
  { title: 'samples', align: 'right' },
  { title: 'rate/subject', align: 'right' },
  { title: 'checksum', align: 'right' },
];

function printCodeBench({ name, question, parameters, cases }: CodeBenchResult): void {
  let subjectRate = Number.NaN;
  const rows = cases.map((one) => {
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
  const sizes = Object.entries(parameters).map(([key, value]) => `${key} ${value}`);
  const head = `\n${name}: ${question}${sizes.length === 0 ? '' : `\n  ${sizes.join(', ')}`}`;
  process.stdout.write(`${head}\n${renderTable(CODE_COLUMNS, rows)}\n`);
}

function printGateway(result: GatewayBenchResult): void {
  const { rounds, seconds, connections } = result.options;
  const how = `${rounds} rounds of ${seconds} s, ${connections} connections`;
  process.stdout.write(`\ngateway  ${result.loadGenerator}, ${how}, origin on ${result.origin}\n`);
  for (const [name, version] of Object.entries(result.versions)) {
    process.stdout.write(`         ${name}: ${version}\n`);
  }
  for (const [name, reason] of Object.entries(result.missing)) {
    process.stdout.write(`         ${name}: left out, ${reason}\n`);
  }
  for (const scenario of result.scenarios) process.stdout.write(`\n${renderScenario(scenario)}\n`);
}

process.exitCode = await main();
