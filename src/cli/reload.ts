/**
 * `sluice reload` and `sluice rollback`: give a running gateway another configuration.
 *
 * Thread: supervisor (on the main thread). Exit codes: 0 the configuration is in force, 2 it was
 * refused, 1 no gateway answered.
 */
import {
  type AdminAnswer,
  AdminUnreachableError,
  postToAdmin,
  TOKEN_VARIABLE,
} from './admin-client.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_USAGE,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

const CONFLICT = 409;

/** Makes the gateway read its file again. Prints the changes, or on stderr why there are none. */
export function reloadCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return change('/reload', args, io);
}

/** Makes the gateway go back to its previous configuration; with `--to`, all of a store. */
export async function rollbackCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  if (args.to !== undefined) return (await import('./publish.js')).rollbackInStore(args, io);
  return reportErrors(io, () => {
    const [id] = args.words;
    if (id !== undefined || args.isWaiting) {
      throw new UsageError('an ID and --wait go with --to STORE only');
    }
    return change('/rollback', args, io);
  });
}

function change(path: string, args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    try {
      return report(await postToAdmin(path, args, io), io);
    } catch (error) {
      if (!(error instanceof AdminUnreachableError)) throw error;
      io.stderr.write(`sluice: ${error.message}\n`);
      return EXIT_FAILURE;
    }
  });
}

function report({ status, body }: AdminAnswer, io: CommandIo): ExitCode {
  if (status === 200 && typeof body['epoch'] === 'number') {
    const lines = [`in force as version ${body['epoch']}`, ...textsOf(body['changes'])];
    io.stdout.write(`${lines.join('\n')}\n`);
    return EXIT_OK;
  }
  if (status === CONFLICT) {
    io.stderr.write(
      `${['refused, nothing has changed', ...textsOf(body['reasons'])].join('\n')}\n`,
    );
    return EXIT_USAGE;
  }
  const hint =
    status === 401 ? `; set ${TOKEN_VARIABLE} to the token that the gateway runs with` : '';
  io.stderr.write(
    `sluice: the gateway answered ${status}: ${body['detail'] ?? 'no detail'}${hint}\n`,
  );
  return EXIT_FAILURE;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
