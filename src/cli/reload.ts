/**
 * `sluice reload` and `sluice rollback`: give a running gateway another configuration.
 *
 * Thread: supervisor (on the main thread). Exit codes: 0 the configuration is in force or on trial,
 * 2 it was refused or taken back, 1 no gateway answered.
 */
import {
  type AdminAnswer,
  AdminUnreachableError,
  postToAdmin,
  readFromAdmin,
  reportUnexpected,
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

const ON_TRIAL = 202;
const CONFLICT = 409;
/** How often it is asked whether a trial is over. */
const LOOK_MS = 500;

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
      const answer = await postToAdmin(path, args, io);
      if (answer.status === ON_TRIAL && args.isWaiting) return await reportTrial(answer, args, io);
      return report(answer, io);
    } catch (error) {
      if (!(error instanceof AdminUnreachableError)) throw error;
      io.stderr.write(`sluice: ${error.message}\n`);
      return EXIT_FAILURE;
    }
  });
}

interface EndedTrial {
  readonly epoch?: unknown;
  readonly outcome?: unknown;
  readonly reasons?: unknown;
}

/** Waits until the version that is on trial is in force, or is not. */
async function reportTrial(
  { body: { epoch } }: AdminAnswer,
  args: CommandArguments,
  io: CommandIo,
): Promise<ExitCode> {
  for (;;) {
    const { body } = await readFromAdmin('/stats', args, io);
    const configuration = (body['configuration'] ?? {}) as Readonly<Record<string, unknown>>;
    const { trial, last_trial: ended, last_reload: last } = configuration;
    const { epoch: endedEpoch, outcome, reasons } = (ended ?? {}) as EndedTrial;
    if (endedEpoch === epoch) {
      return outcome === 'applied'
        ? report({ status: 200, body: { epoch } }, io)
        : report({ status: CONFLICT, body: { reasons } }, io);
    }
    // The gateway was started again meanwhile, or is an older one.
    if (trial === null) {
      const inForce = configuration['epoch'];
      return ended === undefined && Number(inForce) >= Number(epoch)
        ? report({ status: 200, body: { epoch: inForce } }, io)
        : report({ status: CONFLICT, body: { reasons: (last as EndedTrial)?.reasons } }, io);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function report({ status, body }: AdminAnswer, io: CommandIo): ExitCode {
  if (status === 200 && typeof body['epoch'] === 'number') {
    const lines = [`in force as version ${body['epoch']}`, ...textsOf(body['changes'])];
    io.stdout.write(`${lines.join('\n')}\n`);
    return EXIT_OK;
  }
  if (status === ON_TRIAL) {
    const seconds = Math.round(Number(body['endsInMs']) / 1000);
    io.stdout.write(
      `version ${body['epoch']} is on trial for ${seconds} s; --wait tells what comes of it\n`,
    );
    return EXIT_OK;
  }
  if (status === CONFLICT) {
    io.stderr.write(
      `${['refused, nothing has changed', ...textsOf(body['reasons'])].join('\n')}\n`,
    );
    return EXIT_USAGE;
  }
  reportUnexpected({ status, body }, io);
  return EXIT_FAILURE;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
