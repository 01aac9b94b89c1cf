/**
 * `npm run bench`: everything; `npm run bench -- micro`, `-- gateway`, `-- gateway/plain-get`:
 * what the words are part of the name of. `--help` tells the rest.
 */
import { parseArgs } from 'node:util';
import { CONTENDERS } from './gateway/contenders.js';
import { type GatewayBenchResult, runGatewayBench } from './gateway/gateway-bench.js';
import { renderScenario } from './gateway/round-figures.js';
import type { Scenario } from './gateway/scenario.js';
import { SCENARIOS } from './gateway/scenarios.js';
import { judgeTargets, TARGET_COLUMNS, targetRows } from './gateway/targets.js';
import { datedPath, publishedPath, writeHtmlReport, writeResultFile } from './result-file.js';
import type { BenchSize } from './support/bench-harness.js';
import {
  CODE_COLUMNS,
  type CodeBenchResult,
  codeRows,
  listCodeBenches,
  runCodeBench,
} from './support/code-bench.js';
import { describeEnvironment, listDoubts, readEnvironment } from './support/environment.js';
import { readCount } from './support/read-count.js';
import { renderTable } from './support/report.js';

/** Load generator, contender, origin; Sluice brings a second thread. */
const GATEWAY_THREADS = 4;
const CHANNEL_THREADS = 2;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const PUBLISHED_NAME = /^[a-z0-9][a-z0-9.-]*$/;

const USAGE = `usage: npm run bench -- [NAME...] [options]
       npm run bench -- report FILE.json     make the page of a result file anew

  NAME                  run the benches whose name contains it: micro, channel, gateway,
                        gateway/plain-get, token-bucket; a full name means that one alone
  --list                print the names and stop
  --smoke               smallest sizes: shows that the benches work, measures nothing
  --json FILE           where the results go; the page goes beside it
                        (default: bench/results/<date>.json)
  --publish NAME        the same as --json bench/results/published-NAME.json, which git keeps
  --rounds N            gateway: measured rounds for each contender (3)
  --seconds N           gateway: length of a round (4)
  --warmup N            gateway: length of the round that is thrown away (3)
  --connections N       gateway: keep-alive connections of the load generator (64)
  --only A,B            gateway: contenders (${CONTENDERS.map((one) => one.name).join(', ')})
`;

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
  if (options.names[0] === 'report') return makeReports(options.names.slice(1));
  const all = [...listCodeBenches(), ...SCENARIOS.map(scenarioName)];
  const asked = new Set(selectNames(all, options.names));
  if (asked.size === 0) {
    process.stderr.write(`no bench is called ${options.names.join(' or ')}: see --list\n`);
    return EXIT_USAGE;
  }
  if (options.isList) {
    process.stdout.write(`${[...asked].join('\n')}\n`);
    return 0;
  }
  const codeBenches = listCodeBenches().filter((name) => asked.has(name));
  const scenarios = SCENARIOS.filter((one) => asked.has(scenarioName(one)));
  const environment = readEnvironment();
  const hasChannels = codeBenches.some((name) => name.startsWith('channel/'));
  const threads = scenarios.length > 0 ? GATEWAY_THREADS : hasChannels ? CHANNEL_THREADS : 1;
  const doubts = listDoubts(environment, threads);
  process.stdout.write(`${describeEnvironment(environment)}\n`);
  for (const doubt of doubts) process.stdout.write(`doubt    ${doubt}\n`);

  const failures: string[] = [];
  const benches = await runCodeBenches(codeBenches, options.size, failures);
  const gateway = await runGateway(scenarios, options, failures);
  const { size, json } = options;
  const result = { environment, doubts, size, failures, benches, gateway };
  const [jsonPath, htmlPath] = writeResultFile(result, json);
  process.stdout.write(`\nresults  ${jsonPath}\npage     ${htmlPath}\n`);
  for (const failure of failures) process.stderr.write(`failed   ${failure}\n`);
  return failures.length === 0 ? 0 : EXIT_FAILED;
}

function makeReports(paths: readonly string[]): number {
  if (paths.length === 0) {
    process.stderr.write(USAGE);
    return EXIT_USAGE;
  }
  try {
    for (const path of paths) process.stdout.write(`${writeHtmlReport(path)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_FAILED;
  }
}

function scenarioName({ name }: Scenario): string {
  return `gateway/${name}`;
}

/** A full name means itself alone: connections-1 is also the start of connections-1000. */
function selectNames(all: readonly string[], parts: readonly string[]): string[] {
  if (parts.length === 0) return [...all];
  const isAsked = (part: string) => {
    const exact = all.filter((name) => name === part || name.endsWith(`/${part}`));
    return exact.length > 0 ? exact : all.filter((name) => name.includes(part));
  };
  const asked = new Set(parts.flatMap(isAsked));
  return all.filter((name) => asked.has(name));
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
        publish: { type: 'string', default: '' },
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
    const isSmoke = values.smoke;
    return {
      names: positionals,
      isList: values.list,
      size: isSmoke ? 'smoke' : 'full',
      json: chooseJsonPath(values.json, values.publish),
      rounds: isSmoke ? 1 : readCount('rounds', values.rounds, 1),
      seconds: isSmoke ? 1 : readCount('seconds', values.seconds, 1),
      warmup: isSmoke ? 0 : readCount('warmup', values.warmup, 0),
      connections: readCount('connections', values.connections, 1),
      only,
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

function chooseJsonPath(json: string, publish: string): string {
  if (publish === '') return json === '' ? datedPath() : json;
  if (json !== '') throw new Error('--publish and --json both name the file: give one of them');
  if (PUBLISHED_NAME.test(publish)) return publishedPath(publish);
  throw new Error('--publish takes a name of small letters, digits, dots and dashes');
}

async function runCodeBenches(
  names: readonly string[],
  size: BenchSize,
  failures: string[],
): Promise<CodeBenchResult[]> {
  const results: CodeBenchResult[] = [];
  for (const name of names) {
    try {
      const result = await runCodeBench(name, size);
      results.push(result);
      printCodeBench(result);
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return results;
}

function printCodeBench(result: CodeBenchResult): void {
  const { name, question, parameters } = result;
  const sizes = Object.entries(parameters).map(([key, value]) => `${key} ${value}`);
  const head = `\n${name}: ${question}${sizes.length === 0 ? '' : `\n  ${sizes.join(', ')}`}`;
  process.stdout.write(`${head}\n${renderTable(CODE_COLUMNS, codeRows(result))}\n`);
}

async function runGateway(
  scenarios: readonly Scenario[],
  options: Options,
  failures: string[],
): Promise<GatewayBenchResult | undefined> {
  if (scenarios.length === 0) return undefined;
  const { only, size, rounds, seconds, warmup, connections } = options;
  try {
    const result = await runGatewayBench({
      scenarios,
      contenders: CONTENDERS.filter(({ name }) => only.length === 0 || only.includes(name)),
      isSmoke: size === 'smoke',
      rounds,
      seconds,
      warmupSeconds: warmup,
      connections,
    });
    printGateway(result);
    failures.push(...result.failures);
    return result;
  } catch (error) {
    failures.push(`gateway: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
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
  const outcomes = judgeTargets(result.scenarios);
  if (outcomes.length === 0) return;
  process.stdout.write(`\naims\n${renderTable(TARGET_COLUMNS, targetRows(outcomes))}\n`);
}

process.exitCode = await main();
