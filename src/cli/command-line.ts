/**
 * The command line: finds the command that the user asked for and runs it.
 *
 * Thread: acceptor. Starting the gateway is handed in, so that this folder knows commands only.
 */

import { readVersion } from '../config/version.js';
import { type Command, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';
import { parseCommandLine } from './parse-arguments.js';
import { reportErrors } from './report-error.js';
import { routesCommand } from './routes.js';
import { schemaCommand } from './schema.js';
import { tokenCommand } from './token.js';
import { type CommandName, usageText } from './usage.js';
import { validateCommand } from './validate.js';

/** What starting the gateway needs to know. */
export interface RunOptions {
  /** Undefined when the user named no file: the demo is meant. */
  readonly configFile: string | undefined;
}

/**
 * Starts the gateway and settles when it has stopped. What it throws is reported: a ConfigError
 * or UsageError exits with 2, anything else with 1.
 */
export type RunCommand = (options: RunOptions, io: CommandIo) => Promise<ExitCode>;

const COMMAND_BY_NAME: Readonly<Record<Exclude<CommandName, 'run'>, Command>> = {
  validate: validateCommand,
  routes: routesCommand,
  token: tokenCommand,
  schema: schemaCommand,
};

/** Runs what follows the program's name. Never rejects: failures become exit codes. */
export function runCommandLine(
  argv: readonly string[],
  io: CommandIo,
  run: RunCommand,
): Promise<ExitCode> {
  return reportErrors(io, () => {
    const parsed = parseCommandLine(argv, io.env);
    if (parsed.kind === 'help') return printLine(io, usageText().trimEnd());
    if (parsed.kind === 'version') return printLine(io, `sluice ${readVersion()}`);
    const { name, args } = parsed;
    if (name === 'run') return run({ configFile: args.configFile }, io);
    return COMMAND_BY_NAME[name](args, io);
  });
}

function printLine(io: CommandIo, text: string): ExitCode {
  io.stdout.write(`${text}\n`);
  return EXIT_OK;
}
