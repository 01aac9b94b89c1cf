/**
 * The command line: finds the command that the user asked for and runs it.
 *
 * Thread: supervisor (on the main thread). The function that starts the gateway is an argument, so
 * that this folder knows only commands.
 */

import { readVersion } from '../supervisor/package-version.js';
import { type Command, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';
import { parseCommandLine } from './parse-arguments.js';
import { takePipes } from './piped-files.js';
import { reportErrors } from './report-error.js';
import { type StoreRunOptions, storeRunOptions } from './store-options.js';
import { type CommandName, usageText } from './usage.js';

/** What starting the gateway needs to know. */
export interface RunOptions {
  /** Undefined when the user named no file; the demo starts then. */
  readonly configFile: string | undefined;
  /** The store that the configuration comes from; undefined: none. */
  readonly from: StoreRunOptions | undefined;
}

/**
 * Starts the gateway and settles when the gateway has stopped. An error is reported: ConfigError
 * and UsageError exit with 2, all others with 1.
 */
export type RunCommand = (options: RunOptions, io: CommandIo) => Promise<ExitCode>;

/** Each command is loaded when it is called, so that it does not slow down the start of others. */
const COMMAND_BY_NAME: Readonly<Record<Exclude<CommandName, 'run'>, () => Promise<Command>>> = {
  validate: async () => (await import('./validate.js')).validateCommand,
  routes: async () => (await import('./routes.js')).routesCommand,
  explain: async () => (await import('./explain.js')).explainCommand,
  test: async () => (await import('./test.js')).testCommand,
  replay: async () => (await import('./replay.js')).replayCommand,
  diff: async () => (await import('./diff.js')).diffCommand,
  reload: async () => (await import('./reload.js')).reloadCommand,
  rollback: async () => (await import('./reload.js')).rollbackCommand,
  publish: async () => (await import('./publish.js')).publishCommand,
  releases: async () => (await import('./releases.js')).releasesCommand,
  status: async () => (await import('./status.js')).statusCommand,
  token: async () => (await import('./token.js')).tokenCommand,
  keys: async () => (await import('./keys.js')).keysCommand,
  'hash-password': async () => (await import('./hash-password.js')).hashPasswordCommand,
  plugin: async () => (await import('./plugin.js')).pluginCommand,
  schema: async () => (await import('./schema.js')).schemaCommand,
};

/** Runs what follows the program's name. Never rejects: failures become exit codes. */
export function runCommandLine(
  argv: readonly string[],
  io: CommandIo,
  run: RunCommand,
): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const parsed = parseCommandLine(argv, io.env);
    if (parsed.kind === 'help') return printLine(io, usageText(parsed.of).trimEnd());
    if (parsed.kind === 'version') return printLine(io, `sluice ${readVersion()}`);
    const { name, args } = parsed;
    const compared = name === 'diff' ? args.words : [args.against];
    await takePipes([args.configFile, ...compared], io);
    if (name === 'run') {
      const from = storeRunOptions(args, io.env);
      return run({ configFile: args.configFile, from }, io);
    }
    const command = await COMMAND_BY_NAME[name]();
    return command(args, io);
  });
}

function printLine(io: CommandIo, text: string): ExitCode {
  io.stdout.write(`${text}\n`);
  return EXIT_OK;
}
