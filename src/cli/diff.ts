/**
 * `sluice diff OLD NEW`: shows which routes, upstreams and settings are different, and whether a
 * reload can change the first file to the second.
 *
 * Thread: supervisor (on the main thread).
 */

import { diffConfigs, formatChange } from '../config/changes/diff-config.js';
import { restartReasons } from '../config/changes/live-fields.js';
import { compileConfig } from '../config/compile/compile-config.js';
import { loadConfigFile } from '../config/source/load-config.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_OK,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

/** Prints one line for each change, or `no difference`. Secrets are compared, but not shown. */
export function diffCommand({ words }: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, () => {
    const [before, after] = words;
    if (before === undefined || after === undefined) {
      throw new UsageError('diff takes two files: sluice diff OLD NEW');
    }
    const [old, now] = [loadConfigFile(before, io.env), loadConfigFile(after, io.env)];
    const changes = diffConfigs(old, now).map(formatChange);
    const reasons = restartReasons(compileConfig(old), compileConfig(now));
    const lines = changes.length === 0 ? ['no difference'] : changes;
    if (reasons.length > 0)
      lines.push('', 'a reload cannot change:', ...reasons.map((one) => `  ${one}`));
    io.stdout.write(`${lines.join('\n')}\n`);
    return EXIT_OK;
  });
}
