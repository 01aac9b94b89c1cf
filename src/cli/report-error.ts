/**
 * Tells the user why a command failed, and chooses the exit code of the process.
 *
 * Thread: supervisor (on the main thread).
 */
import { StartupError } from '../base/startup-error.js';
import { StoreAddressError, StoreError } from '../base/store-errors.js';
import { ConfigError } from '../config/check/config-error.js';
import {
  type CommandIo,
  EXIT_FAILURE,
  EXIT_USAGE,
  type ExitCode,
  UsageError,
} from './command-io.js';

/** Runs the work of a command. An error becomes text on stderr and an exit code. */
export async function reportErrors(
  io: CommandIo,
  work: () => Promise<ExitCode> | ExitCode,
): Promise<ExitCode> {
  try {
    return await work();
  } catch (error) {
    return reportError(error, io);
  }
}

function reportError(error: unknown, io: CommandIo): ExitCode {
  if (error instanceof ConfigError) {
    io.stderr.write(`${error.message}\n`);
    return EXIT_USAGE;
  }
  if (error instanceof UsageError) {
    io.stderr.write(`sluice: ${error.message}\nTry: sluice --help\n`);
    return EXIT_USAGE;
  }
  if (error instanceof StoreAddressError) {
    io.stderr.write(`sluice: ${error.message}\n`);
    return EXIT_USAGE;
  }
  if (error instanceof StartupError || error instanceof StoreError) {
    io.stderr.write(`sluice: ${error.message}\n`);
    return EXIT_FAILURE;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.stderr.write(`sluice: ${text}\n`);
  return EXIT_FAILURE;
}
