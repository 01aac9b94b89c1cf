/**
 * Runs the modules of a plugin and hands out what the last of them exports.
 *
 * Thread: worker or inspector. Nothing of it stays in a table of Node's: once
 * nobody holds the exports, all of the plugin's own code is freed. Packages and modules of Node
 * that it imports are loaded once a thread, and stay.
 */
import { isBuiltin } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction, constants } from 'node:vm';
import { definePlugin } from './plugin.js';
import type { PluginModule } from './plugin-module.js';

type Exports = Record<string, unknown>;

/** What a module is called with, as `__sluice`. */
interface ModuleScope {
  readonly exports: Exports;
  readonly meta: Readonly<Record<string, string>>;
  all(place: number): Exports;
  pick(place: number, names: readonly string[]): Exports;
  give(exports: Exports): void;
  giveAll(place: number): void;
  load(specifier: string): Promise<Exports>;
}

/** The library itself is not loaded for a plugin: this is all that it has for one. */
const OWN_PACKAGE: Readonly<Record<string, Exports>> = { sluice: { definePlugin } };

/** An error behind the end of the file. */
const UNBALANCED = 'something is open at its end, or a bracket is closed that was not opened';
const PREFIX = '"use strict"; return (async () => {';

/** `modules`: each after those that it imports. Rejects with what a module throws. */
export async function evaluateModules(modules: readonly PluginModule[]): Promise<Exports> {
  const made = new Map<string, Exports>();
  let last: Exports = {};
  for (const module of modules) {
    last = await evaluate(module, made);
    made.set(module.url, last);
  }
  return last;
}

async function evaluate(module: PluginModule, made: Map<string, Exports>): Promise<Exports> {
  const imported = await Promise.all(
    module.imports.map(([specifier, url]) =>
      url === '' ? importOf(module.url, specifier) : (made.get(url) ?? {}),
    ),
  );
  const exports: Exports = Object.create(null);
  const run = compiled(module);
  await run(scopeOf(module, { imported, exports, made }));
  return exports;
}

/** @throws SyntaxError that names the file and the line, which Node's own message does not. */
function compiled({ code, url }: PluginModule): (scope: ModuleScope) => Promise<void> {
  try {
    return compileFunction(`${PREFIX}${code}\n})();`, ['__sluice'], {
      filename: url,
      columnOffset: -PREFIX.length,
    }) as (scope: ModuleScope) => Promise<void>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const line = Number(/:(\d+)\n/.exec(error.stack ?? '')?.[1] ?? 1);
    const isBehind = line > code.split('\n').length;
    const problem = isBehind ? UNBALANCED : error.message;
    throw new SyntaxError(`${fileURLToPath(url)}${isBehind ? '' : `:${line}`}: ${problem}`);
  }
}

interface Parts {
  readonly imported: readonly Exports[];
  readonly exports: Exports;
  readonly made: ReadonlyMap<string, Exports>;
}

function scopeOf({ url, imports }: PluginModule, { imported, exports, made }: Parts): ModuleScope {
  const all = (place: number): Exports => imported[place] ?? {};
  const give = (given: Exports): void => void Object.assign(exports, given);
  return {
    exports,
    meta: { url, filename: fileURLToPath(url), dirname: dirname(fileURLToPath(url)) },
    all,
    give,
    giveAll: (place) => {
      const { default: _default, ...others } = all(place);
      give(others);
    },
    pick: (place, names) => {
      const from = all(place);
      const missing = names.find((name) => !(name in from));
      if (missing === undefined) return from;
      throw new SyntaxError(`${imports[place]?.[0]} has no export named ${missing}`);
    },
    load: async (specifier) => {
      const own = imports.find(([name]) => name === specifier)?.[1] ?? '';
      if (own !== '') return made.get(own) ?? {};
      if (!/^\.{0,2}\//.test(specifier)) return importOf(url, specifier);
      throw new Error(`import("${specifier}"): a file of the plugin is imported by its name only`);
    },
  };
}

/** As the module at `url` would import it. */
function importOf(url: string, specifier: string): Promise<Exports> {
  const own = OWN_PACKAGE[specifier];
  if (own !== undefined) return Promise.resolve(own);
  if (isBuiltin(specifier)) return import(specifier);
  const load = compileFunction('return import(specifier)', ['specifier'], {
    filename: url,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }) as (name: string) => Promise<Exports>;
  return load(specifier);
}
