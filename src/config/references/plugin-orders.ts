/**
 * What is asked about the plugins of a configuration, and found.
 *
 * Thread: loader. Their files are read, and watched, with the configuration.
 */
import { resolve } from 'node:path';
import { isProgramFile } from '../../base/program-file.js';
import { inspectPlugins } from '../../plugins/inspect-plugins.js';
import type { Inspection } from '../../plugins/inspection.js';
import { noteFile, stampOfFile } from './files-read.js';

/** A plugin as it was written, as far as it is sound. */
export interface WrittenPlugin {
  readonly file?: string | undefined;
  readonly package?: string | undefined;
  readonly options?: Readonly<Record<string, unknown>> | undefined;
}

function isAsItIs(file: string): boolean {
  return file === '' || file.startsWith('file:') || isProgramFile(file);
}

/** One for each of `plugins`. */
export function inspectWritten(plugins: readonly WrittenPlugin[]): readonly Inspection[] {
  const orders = plugins.map(({ file = '', package: name = '', options = {} }) => ({
    file: isAsItIs(file) ? file : resolve(file),
    package: name,
    options,
  }));
  const found = inspectPlugins(orders, stampOfFile);
  for (const { files } of found) for (const file of files) noteFile(file);
  return found;
}
