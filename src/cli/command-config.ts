/**
 * The compiled configuration that a command works on.
 *
 * Thread: supervisor (on the main thread).
 */
import { compileConfig } from '../config/compile/compile-config.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { loadConfigFile } from '../config/source/load-config.js';
import { type CommandArguments, type CommandIo, UsageError } from './command-io.js';

/** Loads the file that the user named. Throws UsageError or ConfigError. */
export function loadForCommand(args: CommandArguments, io: CommandIo): CompiledConfig {
  return compileConfig(loadConfigFile(requireConfigFile(args), io.env));
}

/** The file that the user named. Throws UsageError when there is none. */
export function requireConfigFile({ configFile }: CommandArguments): string {
  if (configFile !== undefined) return configFile;
  throw new UsageError('name a configuration file with -c FILE or in GATEWAY_CONFIG');
}
