/** Published vectors beside the checkout; a clone without them passes its other tests. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

/** Whether the folder is there. */
export function hasSharedData(name: string): boolean {
  return existsSync(join(FOLDER, name));
}

/** Paths of the JSON files below a folder of the data, and what is in them. */
export function sharedJsonFiles(name: string): { readonly path: string; readonly json: unknown }[] {
  if (!hasSharedData(name)) return [];
  const entries = readdirSync(join(FOLDER, name), { recursive: true, encoding: 'utf8' });
  return entries
    .filter((path) => path.endsWith('.json'))
    .sort()
    .map((path) => ({ path, json: JSON.parse(readFileSync(join(FOLDER, name, path), 'utf8')) }));
}
