/**
 * `sluice test`: checks a configuration against the table of expectations beside it.
 *
 * Thread: supervisor (on the main thread). Each test begins with the state of a gateway that has
 * just started. No socket is opened, and no time passes.
 */

import { withImaginedTargets } from '../config/shared/imagined-targets.js';
import { shareConfig } from '../config/shared/share-config.js';
import { openConfig, type ServedConfig } from '../config/shared/shared-config.js';
import { CacheCopy } from '../explain/cache-copy.js';
import { differencesFrom } from '../explain/expectation.js';
import { type Expectation, loadExpectations } from '../explain/expectation-file.js';
import { expectedEngine } from '../explain/expected-engine.js';
import { explainRequest } from '../explain/explain-request.js';
import { OFFLINE_AUTHENTICATORS } from '../supervisor/loading/offline-authenticators.js';
import { WorkerEpoch } from '../worker/worker-epoch.js';
import { loadForCommand, requireConfigFile } from './command-config.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_FAILURE,
  EXIT_OK,
  type ExitCode,
} from './command-io.js';
import { reportErrors } from './report-error.js';

/** The time of all tests: an hour after the clock's zero, so that no state is younger than it. */
const NOW_MS = 3_600_000;

/** Prints each test that fails, then how many passed. Returns 1 when a test failed. */
export function testCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const config = withImaginedTargets(openConfig(shareConfig(loadForCommand(args, io))));
    const file = args.tests ?? testsBeside(requireConfigFile(args));
    const expectations = loadExpectations(file, io.env);
    const beganMs = io.clock.nowMs();
    const epoch = await WorkerEpoch.create(config, OFFLINE_AUTHENTICATORS, io.clock.unixMs);
    let failed = 0;
    for (const expectation of expectations) {
      const differences = await judge(expectation, { config, epoch, unixMs: io.clock.unixMs() });
      if (differences.length === 0) continue;
      failed += 1;
      io.stdout.write(failureText(file, expectation, differences));
    }
    const tookMs = Math.round(io.clock.nowMs() - beganMs);
    const { length } = expectations;
    io.stdout.write(`${length - failed} of ${length} as expected (${tookMs} ms)\n`);
    return failed === 0 ? EXIT_OK : EXIT_FAILURE;
  });
}

interface Judges {
  readonly config: ServedConfig;
  readonly epoch: WorkerEpoch;
  readonly unixMs: number;
}

/** Lets the earlier requests be answered, then explains the one that is asked about. */
async function judge(expectation: Expectation, { config, epoch, unixMs }: Judges) {
  const context = {
    ...{ config, epoch, engineOf: expectedEngine, memory: null, hashKey: [1, 2] as const },
    ...{ cache: CacheCopy.empty(), moment: { nowMs: NOW_MS, unixMs } },
  };
  const notes: string[] = [];
  for (const [at, { request, reply, agoMs }] of expectation.earlier.entries()) {
    const moment = { nowMs: NOW_MS, unixMs: unixMs - agoMs };
    const { cache } = await explainRequest(request, { ...context, moment }, reply);
    if (cache !== null && cache.notStored !== '') {
      notes.push(`earlier[${at}]: its reply is not stored: ${cache.notStored}`);
    }
  }
  const explanation = await explainRequest(expectation.request, context);
  const differences = differencesFrom(expectation.expect, explanation);
  return differences.length === 0 ? [] : [...differences, ...notes];
}

/** The tests of `sluice.yaml` are in `sluice.tests.yaml`. */
function testsBeside(configFile: string): string {
  return `${configFile.replace(/\.(ya?ml|json)$/i, '')}.tests.yaml`;
}

function failureText(
  file: string,
  { name, line, request }: Expectation,
  differences: readonly string[],
): string {
  const rows = differences.map((difference) => `  ${difference}\n`).join('');
  const hint = `  for details: sluice explain ${request.method} '${request.target}'\n`;
  return `FAILED ${name} (${file}:${line})\n${rows}${hint}`;
}
