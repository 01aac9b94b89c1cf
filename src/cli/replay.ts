/**
 * `sluice replay -c NEW FILE...`: says what a configuration would have done with the requests of an
 * access log, and what is different from another configuration or from what the log says.
 *
 * Thread: supervisor (on the main thread). No socket is opened; time is that of the log.
 */
import { StartupError } from '../base/startup-error.js';
import { compileConfig } from '../config/compile/compile-config.js';
import { shareConfig } from '../config/shared/share-config.js';
import { loadConfigFile } from '../config/source/load-config.js';
import { linesOf } from '../replay/log-lines.js';
import { formatReplay } from '../replay/replay-text.js';
import { Replayer } from '../replay/replayer.js';
import { loadForCommand } from './command-config.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_FAILURE,
  EXIT_OK,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

const DEFAULT_HOST = 'localhost';

/** Prints a report. Returns 1 when more requests than `--tolerate` are decided in another way. */
export function replayCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const tolerated = readTolerated(args.tolerate);
    if (args.words.length === 0) {
      throw new UsageError('replay takes access logs: sluice replay -c NEW.yaml access.log');
    }
    const replayer = await Replayer.create({
      config: shareConfig(loadForCommand(args, io)),
      against:
        args.against === undefined
          ? null
          : shareConfig(compileConfig(loadConfigFile(args.against, io.env))),
      host: args.host ?? DEFAULT_HOST,
    });
    try {
      for await (const lines of linesOf(args.words, io.stdin)) {
        for (const line of lines) replayer.take(line);
      }
    } catch (error) {
      // 1 says that more is decided in another way than is tolerated.
      throw error instanceof StartupError ? new UsageError(error.message) : error;
    }
    const result = replayer.finish();
    if (result.requests === 0) {
      throw new UsageError(
        `there is no access record in ${args.words.join(', ')}: it takes those of Sluice and ` +
          'Caddy (JSON), and the combined format of nginx and Apache' +
          (result.firstUnreadable === '' ? '' : `; the first line: ${result.firstUnreadable}`),
      );
    }
    const text = args.isJson ? `${JSON.stringify(result, null, 2)}\n` : formatReplay(result);
    io.stdout.write(text);
    return result.changed > tolerated ? EXIT_FAILURE : EXIT_OK;
  });
}

/** Without the option any number will do. */
function readTolerated(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^\d{1,15}$/.test(text)) {
    throw new UsageError(`--tolerate must be a number of requests, not "${text}"`);
  }
  return Number(text);
}
