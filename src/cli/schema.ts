/**
 * `sluice schema`: prints the JSON Schema of the configuration, for editors.
 *
 * Thread: supervisor (on the main thread).
 */
import { CONFIG_SCHEMA } from '../config/schema/config-schema.js';
import { type CommandArguments, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';

/** What stands in a file and is gone once it has been read: see config/source/. */
const FILE_KEYS = {
  include: {
    description:
      'Further files with routes, upstreams and authenticators, relative to this one. A star ' +
      'stands for a part of a name.',
    anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
  },
};

/** Keys that hold anchors, or notes of other tools. */
const EXTENSIONS = { '^x-': {} };

/** Prints only the schema, so that users can redirect it to a file. */
export async function schemaCommand(_args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  const schema = {
    ...CONFIG_SCHEMA,
    properties: { ...FILE_KEYS, ...CONFIG_SCHEMA.properties },
    patternProperties: EXTENSIONS,
  };
  io.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`);
  return EXIT_OK;
}
