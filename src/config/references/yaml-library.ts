/**
 * The library for YAML, loaded when the first text needs it.
 *
 * Thread: any (pure). Most texts have only the usual forms (config/source/plain-yaml.ts) or are
 * JSON, and the library is seventy files: a fifth of what the main thread would load at its start.
 */
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

let library: typeof import('yaml') | null = null;

export function yamlLibrary(): typeof import('yaml') {
  library ??= load('yaml') as typeof import('yaml');
  return library;
}
