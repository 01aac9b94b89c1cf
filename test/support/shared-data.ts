/**
 * Published test vectors, which lie beside the checkout in ../shared/data. Suites that need them
 * are not run, and say so, in a clone without that folder.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeUnless } from './not-run.js';

const FOLDER = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

/**
 * A suite that reads these files or folders of the data. Throws when the data are there and one of
 * the names is not: otherwise a new name of a file would end a suite unnoticed.
 */
export function describeWithData(names: readonly string[], title: string, suite: () => void): void {
  const isPresent = existsSync(FOLDER);
  const missing = names.filter((name) => !existsSync(join(FOLDER, name)));
  if (isPresent && missing.length > 0) throw new Error(`../shared/data has no ${missing.join()}`);
  describeUnless(isPresent ? '' : '../shared/data is absent', title, suite);
}

/** The path of a file or folder of the data. */
export function sharedPath(name: string): string {
  return join(FOLDER, name);
}

export function readShared(name: string, encoding: 'utf8' | 'latin1' = 'utf8'): string {
  return readFileSync(sharedPath(name), encoding);
}

/** The lines of a file, without the empty ones. */
export function sharedLines(name: string, encoding: 'utf8' | 'latin1' = 'utf8'): string[] {
  return readShared(name, encoding).split('\n').filter(Boolean);
}

/** The JSON files below a folder of the data: their paths and contents. */
export function sharedJsonFiles(name: string): { readonly path: string; readonly json: unknown }[] {
  const entries = readdirSync(sharedPath(name), { recursive: true, encoding: 'utf8' });
  return entries
    .filter((path) => path.endsWith('.json'))
    .sort()
    .map((path) => ({ path, json: JSON.parse(readShared(join(name, path))) }));
}
