/**
 * `sluice schema`: prints the JSON Schema of the configuration, for editors.
 *
 * Thread: acceptor.
 */
import { CONFIG_SCHEMA } from '../config/schema/config-schema.js';
import { type CommandArguments, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';

/** Prints only the schema, so that users can redirect it to a file. */
export async function schemaCommand(_args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  io.stdout.write(`${JSON.stringify(CONFIG_SCHEMA, undefined, 2)}\n`);
  return EXIT_OK;
}
