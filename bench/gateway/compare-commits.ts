/**
 * What did this tree gain or lose against a commit? Both run in the same rounds, in turn.
 *
 * Nothing that the machine does in between can favour one of them for long, and the order is
 * turned round every second round. Ratios are this tree's figure divided by the commit's.
 */
import { ChildProcesses } from '../support/child-processes.js';
import { describeEnvironment, listDoubts, readEnvironment } from '../support/environment.js';
import { withCleanUp } from '../support/interrupt.js';
import { type Column, formatNumber, renderTable } from '../support/report.js';
import { Worktree } from '../support/worktree.js';
import { type GatewayBenchResult, runGatewayBench } from './gateway-bench.js';
import { ratioTo, type ScenarioResult, spreadIn } from './round-figures.js';
import type { Scenario } from './scenario.js';
import { createSluice } from './sluice.js';

export interface CommitComparison {
  readonly revision: string;
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly connections: number;
  readonly workers: number;
}

const THREADS = 4;
const THIS = 'this tree';
/** Rounds that all point the same way say something; two or three may do so by chance. */
const ROUNDS_TO_JUDGE = 5;

const COLUMNS: readonly Column[] = [
  { title: 'scenario', align: 'left' },
  { title: 'figure', align: 'left' },
  { title: 'commit', align: 'right' },
  { title: THIS, align: 'right' },
  { title: 'ratio', align: 'right' },
  { title: 'lowest', align: 'right' },
  { title: 'highest', align: 'right' },
  { title: '', align: 'left' },
];

/** Failures, which are none when both ran everything. */
export async function compareCommits(asked: CommitComparison): Promise<readonly string[]> {
  const environment = readEnvironment();
  process.stdout.write(`${describeEnvironment(environment)}\n`);
  for (const doubt of listDoubts(environment, THREADS)) process.stdout.write(`doubt    ${doubt}\n`);
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
      const { workers, revision: _revision, ...options } = asked;
      const result = await runGatewayBench({
        ...options,
        isSmoke: false,
        isAlternating: true,
        contenders: [
          createSluice({ name, workers, root: worktree.folder, version: `commit ${name}` }),
          createSluice({ name: THIS, workers, version: `commit ${environment.commit}` }),
        ],
      });
      printComparison(result, name);
      return result.failures;
    },
  );
}

async function build(worktree: Worktree): Promise<void> {
  const children = new ChildProcesses();
  await withCleanUp(
    () => children.stopAll(),
    () => worktree.build(children),
  );
}

function printComparison(result: GatewayBenchResult, commit: string): void {
  const { rounds, seconds, connections } = result.options;
  const rows = result.scenarios.flatMap((scenario) => compareScenario(scenario, commit));
  process.stdout.write(
    `\n${THIS} (${result.versions[THIS]}) against ${commit}\n` +
      `${result.loadGenerator}, ${rounds} rounds of ${seconds} s, ${connections} connections\n` +
      'ratios are of one round each: below 1 is better, above it for rates and throughput\n\n' +
      `${renderTable(COLUMNS, rows)}\n`,
  );
}

function compareScenario(scenario: ScenarioResult, commit: string): string[][] {
  const before = scenario.contenders.find((one) => one.name === commit);
  const after = scenario.contenders.find((one) => one.name === THIS);
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
