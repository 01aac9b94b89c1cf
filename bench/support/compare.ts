/**
 * `npm run bench:compare -- COMMIT [SCENARIO...]`: this tree against a commit, in the same rounds.
 * `npm run bench:compare -- --engines uws,wire [SCENARIO...]`: two engines of this tree.
 * `npm run bench:compare -- BEFORE.json AFTER.json`: two result files; ends with 1 when something
 * became worse by more than the threshold.
 */
import { parseArgs } from 'node:util';
import { compareCommits, compareEngines } from '../gateway/compare-sluices.js';
import type { Scenario } from '../gateway/scenario.js';
import { SCENARIOS } from '../gateway/scenarios.js';
import { ENGINE_NAMES, type EngineName } from '../gateway/sluice.js';
import { compareFiles } from './compare-files.js';
import { readCount } from './read-count.js';

const EXIT_WORSE = 1;
const EXIT_USAGE = 2;
const DEFAULT_SCENARIOS = ['plain-get', 'full-pipeline'];

const USAGE = `usage: npm run bench:compare -- COMMIT [SCENARIO...] [options]
       npm run bench:compare -- --engines uws,wire [SCENARIO...] [options]
       npm run bench:compare -- BEFORE.json AFTER.json [--threshold PERCENT]

  COMMIT           what this tree is compared with: a hash, a branch, HEAD~3
  SCENARIO         of the gateway bench (${DEFAULT_SCENARIOS.join(', ')})
  --engines A,B    two engines of this tree, the second divided by the first
  --engine A       COMMIT: GATEWAY_ENGINE of both; TLS scenarios take wire anyway
  --rounds N       measured rounds for each of the two (7)
  --seconds N      length of a round (3)
  --warmup N       length of the round that is thrown away (3)
  --connections N  keep-alive connections of the load generator (64)
  --workers N      GATEWAY_WORKERS of both (1)
  --threshold N    files: percent of loss that counts as worse (5)
`;

async function main(): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        engines: { type: 'string' },
        engine: { type: 'string' },
        rounds: { type: 'string', default: '7' },
        seconds: { type: 'string', default: '3' },
        warmup: { type: 'string', default: '3' },
        connections: { type: 'string', default: '64' },
        workers: { type: 'string', default: '1' },
        threshold: { type: 'string', default: '5' },
      },
    });
    if (values.help) throw new Error(USAGE);
    const size = {
      rounds: readCount('rounds', values.rounds, 1),
      seconds: readCount('seconds', values.seconds, 1),
      warmupSeconds: readCount('warmup', values.warmup, 0),
      connections: readCount('connections', values.connections, 1),
      workers: readCount('workers', values.workers, 1),
    };
    if (values.engines !== undefined) {
      const scenarios = findScenarios(positionals);
      const [before, after] = values.engines.split(',').map(readEngine);
      if (before === undefined || after === undefined) throw new Error(USAGE);
      return exitCode(await compareEngines({ ...size, scenarios, engines: [before, after] }));
    }
    const [first, ...others] = positionals;
    if (first === undefined) throw new Error(USAGE);
    const [second] = others;
    if (first.endsWith('.json') && second !== undefined) {
      const threshold = readCount('threshold', values.threshold, 0);
      const verdict = compareFiles(first, second, threshold);
      return verdict === 'same' ? 0 : verdict === 'worse' ? EXIT_WORSE : EXIT_USAGE;
    }
    const engine = values.engine === undefined ? {} : { engine: readEngine(values.engine) };
    const scenarios = findScenarios(others);
    return exitCode(await compareCommits({ ...size, ...engine, scenarios, revision: first }));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_USAGE;
  }
}

function exitCode(failures: readonly string[]): number {
  return failures.length === 0 ? 0 : EXIT_WORSE;
}

function readEngine(text: string): EngineName {
  const found = ENGINE_NAMES.find((name) => name === text);
  if (found === undefined) throw new Error(`no engine is called ${text}\n${USAGE}`);
  return found;
}

function findScenarios(asked: readonly string[]): Scenario[] {
  const names = asked.length === 0 ? DEFAULT_SCENARIOS : asked;
  return names.map((one) => {
    const name = one.replace(/^gateway\//, '');
    const found = SCENARIOS.find((scenario) => scenario.name === name);
    if (found === undefined) {
      const known = SCENARIOS.map((one) => one.name).join(', ');
      throw new Error(`no scenario is called ${name}; there are ${known}`);
    }
    return found;
  });
}

process.exitCode = await main();
