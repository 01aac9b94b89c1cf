/**
 * Reads a plugin: its file, and the files that it imports by relative names.
 *
 * Thread: inspector. What it returns runs in workers without a look at the disk:
 * all workers, and those that are started later, run what was checked.
 */
import { readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fileProblem } from '../base/system-problem.js';
import { rewriteModule } from './module-text.js';
import type { PluginModule } from './plugin-module.js';

const MODULES_MAX = 256;
const TEXT_CHARS_MAX = 4 * 2 ** 20;

/** Since Node.js 22.13. */
const stripTypes: unknown = Reflect.get(nodeModule, 'stripTypeScriptTypes');

/** Each module after those that it imports; the last one is that of `file`. */
export function readModules(file: string): readonly PluginModule[] {
  return new Graph().read(file);
}

class Graph {
  private readonly modules: PluginModule[] = [];
  private readonly begun = new Set<string>();
  private chars = 0;

  read(file: string): readonly PluginModule[] {
    this.add(pathToFileURL(file).href, '');
    return this.modules;
  }

  private add(url: string, importer: string): void {
    if (this.modules.some((one) => one.url === url)) return;
    const file = fileURLToPath(url);
    if (this.begun.has(url)) throw new Error(`${file} and ${importer} import each other`);
    if (this.begun.size >= MODULES_MAX) throw new Error(`more than ${MODULES_MAX} files`);
    this.begun.add(url);
    const { code, specifiers } = this.rewrite(file, importer);
    const imports = specifiers.map((specifier) => {
      if (!/^(\.{1,2}\/|\/|file:)/.test(specifier)) return [specifier, ''] as const;
      const imported = new URL(specifier, url).href;
      this.add(imported, file);
      return [specifier, imported] as const;
    });
    this.modules.push({ url, code, imports });
  }

  private rewrite(file: string, importer: string): ReturnType<typeof rewriteModule> {
    const text = textOf(file, importer);
    try {
      this.chars += text.length;
      if (this.chars > TEXT_CHARS_MAX) throw new Error('the plugin is larger than 4 MiB');
      return rewriteModule(withoutTypes(text, file));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(reason.includes(file) ? reason : `${file}: ${reason}`);
    }
  }
}

function textOf(file: string, importer: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const by = importer === '' ? '' : `, which ${importer} imports`;
    throw new Error(`${file}${by}: ${fileProblem(error)}`);
  }
}

/** JavaScript as it is; TypeScript with blanks in place of its types. */
function withoutTypes(text: string, file: string): string {
  if (/\.m?js$/.test(file)) return text;
  if (!/\.m?ts$/.test(file)) throw new Error('a plugin is a .js, .mjs, .ts or .mts file');
  if (typeof stripTypes !== 'function') {
    throw new Error(
      `Node.js ${process.versions.node} cannot read TypeScript (22.13 and later can): ` +
        'compile the plugin to JavaScript first',
    );
  }
  return String(stripTypes(text));
}
