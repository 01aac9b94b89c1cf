/**
 * `sluice schema`: prints the JSON Schema of the configuration, for editors.
 *
 * Thread: acceptor.
 */
import { CONFIG_SCHEMA } from '../config/schema/schema.js';
import { type CommandArguments, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';

/** Prints the schema alone, so that it can go straight into a file. */
export async function schemaCommand(_args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  io.stdout.write(`${JSON.stringify(CONFIG_SCHEMA, undefined, 2)}\n`);
  return EXIT_OK;
}
