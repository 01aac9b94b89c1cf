/**
 * Finds the file that a package begins with, as `import` does.
 *
 * Thread: inspector. `require.resolve` would refuse packages that are for
 * `import` only.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const CONDITIONS: readonly string[] = ['import', 'node', 'default'];

/** Looks from `folder` upwards. Throws where there is none. */
export function findPackage(name: string, folder: string): string {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const root = join(at, 'node_modules', name);
    if (existsSync(join(root, 'package.json'))) return join(root, entryOf(root, name));
    if (dirname(at) === at) break;
  }
  throw new Error(`there is no package ${name} in ${folder} or above: npm install ${name}`);
}

function entryOf(root: string, name: string): string {
  const { exports, main } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly exports?: unknown;
    readonly main?: unknown;
  };
  if (exports === undefined) return typeof main === 'string' ? main : 'index.js';
  const entry = targetOf(memberOf(exports, '.') ?? exports);
  if (entry === undefined) throw new Error(`the package ${name} exports nothing for import`);
  return entry;
}

function targetOf(exported: unknown): string | undefined {
  if (typeof exported === 'string') return exported;
  if (typeof exported !== 'object' || exported === null) return undefined;
  for (const [condition, target] of Object.entries(exported)) {
    if (CONDITIONS.includes(condition)) return targetOf(target);
  }
  return undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
