/**
 * What did this tree gain or lose against a commit, and what does one engine cost beside another?
 *
 * Both run in the same rounds, in turn. Nothing that the machine does in between can favour one of
 * them for long, and the order is turned round every second round. Ratios are the second's figure
 * divided by the first's.
 */
import { ChildProcesses } from '../support/child-processes.js';
import {
  describeEnvironment,
  type Environment,
  listDoubts,
  readEnvironment,
} from '../support/environment.js';
import { withCleanUp } from '../support/interrupt.js';
import { type Column, formatNumber, renderTable } from '../support/report.js';
import { Worktree } from '../support/worktree.js';
import type { Contender } from './contender.js';
import { type GatewayBenchResult, runGatewayBench } from './gateway-bench.js';
import { ratioTo, type ScenarioResult, spreadIn } from './round-figures.js';
import type { Scenario } from './scenario.js';
import { createSluice, type EngineName, type SluiceOptions } from './sluice.js';
import { TLS_SCENARIOS, TLS_SUFFIX } from './tls-scenarios.js';

interface Comparison {
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly connections: number;
  readonly workers: number;
}

export interface CommitComparison extends Comparison {
  readonly revision: string;
  /** Of both; absent: what each chooses by itself. */
  readonly engine?: EngineName;
}

export interface EngineComparison extends Comparison {
  readonly engines: readonly [EngineName, EngineName];
}

const THREADS = 4;
const THIS = 'this tree';
/** Rounds that all point the same way say something; two or three may do so by chance. */
const ROUNDS_TO_JUDGE = 5;

/** Failures, which are none when both ran everything. */
export async function compareCommits(asked: CommitComparison): Promise<readonly string[]> {
  const environment = describeMachine();
  const worktree = new Worktree(asked.revision);
  const name = worktree.commit;
  return withCleanUp(
    () => worktree.remove(),
    async () => {
      process.stderr.write(`building ${name}\n`);
      await build(worktree);
      if (!worktree.hasSamePackages()) {
        process.stdout.write(`doubt    ${name} locks other packages than it is run with\n`);
      }
      const engine = asked.engine === undefined ? {} : { engine: asked.engine };
      return compare(asked, [
        { ...engine, name, root: worktree.folder, version: `commit ${name}` },
        { ...engine, name: THIS, version: `commit ${environment.commit}` },
      ]);
    },
  );
}

/** Two engines of this tree; failures as with commits. */
export async function compareEngines(asked: EngineComparison): Promise<readonly string[]> {
  describeMachine();
  const [before, after] = asked.engines;
  return compare(asked, [
    { name: before, engine: before },
    { name: after, engine: after },
  ]);
}

function describeMachine(): Environment {
  const environment = readEnvironment();
  process.stdout.write(`${describeEnvironment(environment)}\n`);
  for (const doubt of listDoubts(environment, THREADS)) process.stdout.write(`doubt    ${doubt}\n`);
  return environment;
}

type Side = Omit<SluiceOptions, 'workers'>;

async function compare(
  asked: Comparison,
  sides: readonly [Side, Side],
): Promise<readonly string[]> {
  const { workers, scenarios, rounds, seconds, warmupSeconds, connections } = asked;
  const contenders = sides.flatMap((side) => contendersOf({ ...side, workers }, scenarios));
  const result = await runGatewayBench({
    ...{ scenarios, rounds, seconds, warmupSeconds, connections, contenders },
    isSmoke: false,
    isAlternating: true,
  });
  printComparison(result, sides[0].name, sides[1].name);
  return result.failures;
}

/** One process for scenarios with TLS, one for the others, as far as they are asked for. */
function contendersOf(options: SluiceOptions, scenarios: readonly Scenario[]): Contender[] {
  const plain = createSluice(options);
  const secured = createSluice({
    ...options,
    name: `${options.name}${TLS_SUFFIX}`,
    engine: 'wire',
    isTls: true,
    scenarios: TLS_SCENARIOS,
  });
  return [plain, secured].filter((one) => scenarios.some((scenario) => takes(scenario, one)));
}

function takes(scenario: Scenario, contender: Contender): boolean {
  return scenario.takes(contender) && (contender.scenarios?.includes(scenario.name) ?? true);
}

async function build(worktree: Worktree): Promise<void> {
  const children = new ChildProcesses();
  await withCleanUp(
    () => children.stopAll(),
    () => worktree.build(children),
  );
}

function printComparison(result: GatewayBenchResult, before: string, after: string): void {
  const { rounds, seconds, connections } = result.options;
  const rows = result.scenarios.flatMap((scenario) => [
    ...compareScenario(scenario, before, after),
    ...compareScenario(scenario, `${before}${TLS_SUFFIX}`, `${after}${TLS_SUFFIX}`),
  ]);
  const version = result.versions[after] ?? result.versions[`${after}${TLS_SUFFIX}`] ?? '';
  process.stdout.write(
    `\n${after} (${version}) against ${before}\n` +
      `${result.loadGenerator}, ${rounds} rounds of ${seconds} s, ${connections} connections\n` +
      'ratios are of one round each: below 1 is better, above it for rates and throughput\n\n' +
      `${renderTable(columns(before, after), rows)}\n`,
  );
}

function columns(before: string, after: string): readonly Column[] {
  const figures = [before, after, 'ratio', 'lowest', 'highest'];
  return [
    { title: 'scenario', align: 'left' },
    { title: 'figure', align: 'left' },
    ...figures.map((title): Column => ({ title, align: 'right' })),
    { title: '', align: 'left' },
  ];
}

function compareScenario(scenario: ScenarioResult, first: string, second: string): string[][] {
  const before = scenario.contenders.find((one) => one.name === first);
  const after = scenario.contenders.find((one) => one.name === second);
  if (before === undefined || after === undefined) return [];
  return scenario.measures
    .filter(({ key, hasRatio }) => hasRatio || key === 'p50Ms' || key === 'cpuVsPlain')
    .flatMap((measure) => {
      const ratio = ratioTo(after, before, measure);
      if (!Number.isFinite(ratio.median)) return [];
      const isLess = ratio.max < 1;
      const isMore = ratio.min > 1;
      const isBetter = measure.better === 'less' ? isLess : isMore;
      return [
        [
          scenario.name,
          measure.title,
          formatNumber(spreadIn(before, measure).median),
          formatNumber(spreadIn(after, measure).median),
          ratio.median.toFixed(3),
          ratio.min.toFixed(3),
          ratio.max.toFixed(3),
          after.rounds.length < ROUNDS_TO_JUDGE
            ? ''
            : isBetter
              ? 'better'
              : isLess || isMore
                ? 'worse'
                : '',
        ],
      ];
    });
}
