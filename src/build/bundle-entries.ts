/**
 * A step of the build: bundles the hundreds of files that each thread loads at its start into a
 * few.
 *
 * Thread: any (pure), in a process of its own. The compiled file of each entry is replaced by a
 * line that leads to its bundle. Packages stay outside the bundles; code that is loaded on demand
 * keeps files of its own.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { type CodeSplittingNameFunction, type Plugin, rolldown } from 'rolldown';
import { compiledFile } from '../boot/bundle-loader.js';
import { GROWING, HELD } from '../boot/heap-flags.js';
import { partsOf } from './bundle-parts.js';
import { importsOf, scriptOf } from './chunk-script.js';

/** The files at which a thread or a process begins. */
const ENTRIES = [
  'main',
  'worker/worker-task',
  'acceptor/acceptor-thread',
  'coordinator/coordinator-thread',
  'store/store-thread',
  'supervisor/loading/load-thread',
  'replay/replay-thread',
];

/** No start waits for these: their compiled code would only make what is installed larger. */
const UNCOMPILED: readonly string[] = ['replay-thread'];

/** Of compiled files, with their comments, which the parts are without. */
const PART_LENGTH = 150_000;

const COMPILED = join(dirname(fileURLToPath(import.meta.url)), '..');
const BUNDLES = join(COMPILED, 'bundle');

rmSync(BUNDLES, { recursive: true, force: true });
for (const entry of ENTRIES) await bundleEntry(entry);
for (const flag of [GROWING, HELD]) {
  setFlagsFromString(flag);
  compileChunks();
}

async function bundleEntry(entry: string): Promise<void> {
  const file = join(COMPILED, `${entry}.js`);
  const name = basename(entry);
  const folder = join(BUNDLES, name);
  const bundle = await rolldown({
    input: file,
    platform: 'node',
    preserveEntrySignatures: 'allow-extension',
    external: /^[^./]/,
    plugins: [ownUrls(folder)],
  });
  const { output } = await bundle.generate({
    dir: folder,
    format: 'es',
    entryFileNames: 'index.js',
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ name: partNames(file), debugName: 'parts' }],
    },
    // They stand in the file that is bundled. Each thread keeps the text of its code in memory.
    comments: { legal: true, annotation: false, jsdoc: false },
  });
  await bundle.close();
  mkdirSync(folder, { recursive: true });
  const chunks = new Map<string, string>();
  const exported = new Map<string, readonly string[]>();
  for (const file of output) {
    if (file.type !== 'chunk') throw new Error(`${file.fileName} is no code`);
    chunks.set(`./${file.fileName}`, inOneByte(file.code));
    exported.set(`./${file.fileName}`, file.exports);
  }
  const needs = needsIn(chunks);
  if (needs('./index.js').length > 0) {
    throw new Error(`${entry} needs ${needs('./index.js')}: import it on demand`);
  }
  for (const [id, code] of chunks) {
    writeFileSync(join(folder, id), scriptOf(code, isModule, needs), 'latin1');
  }
  const isProgram = readFileSync(file, 'utf8').startsWith('#!');
  const toLoader = relative(dirname(file), join(COMPILED, 'boot/bundle-loader.js'));
  const path = relative(dirname(file), join(folder, 'index.js'));
  const names = exported.get('./index.js') ?? [];
  writeFileSync(
    file,
    [
      ...(isProgram ? ['#!/usr/bin/env node'] : []),
      `import { loadBundle } from '${asPath(toLoader)}';`,
      `const entry = await loadBundle(new URL('${asPath(path)}', import.meta.url));`,
      ...names.map((name) => `export const ${name} = entry.${name};`),
      '',
    ].join('\n'),
  );
}

function asPath(path: string): string {
  return path.startsWith('.') ? path : `./${path}`;
}

/** Of each chunk, the packages that only `import` loads, among all that the chunk leads to. */
function needsIn(chunks: ReadonlyMap<string, string>): (id: string) => readonly string[] {
  const imports = new Map(Array.from(chunks, ([id, code]) => [id, importsOf(code)]));
  return (id) => {
    const reached = new Set([id]);
    for (const one of reached) for (const next of imports.get(one) ?? []) reached.add(next);
    return [...reached].filter(isModule);
  };
}

/** Whether a package is made of modules, which only `import` loads in every Node 20. */
function isModule(id: string): boolean {
  if (id.startsWith('./') || isBuiltin(id)) return false;
  const file = createRequire(import.meta.url).resolve(id);
  if (file.endsWith('.cjs')) return false;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const described = readIfThere(join(folder, 'package.json'));
    if (described !== undefined) return JSON.parse(described).type === 'module';
    if (folder === dirname(folder)) return false;
  }
}

function readIfThere(file: string): string | undefined {
  return readdirSync(dirname(file)).includes(basename(file))
    ? readFileSync(file, 'utf8')
    : undefined;
}

/** For V8 with the flags that are set: what it makes of each chunk before the chunk runs. */
function compileChunks(): void {
  const files = readdirSync(BUNDLES, { recursive: true, encoding: 'utf8' });
  for (const name of files.filter((one) => one.endsWith('.js'))) {
    if (UNCOMPILED.includes(dirname(name))) continue;
    const file = join(BUNDLES, name);
    const script = new Script(readFileSync(file, 'latin1'), { filename: file });
    writeFileSync(compiledFile(file), script.createCachedData());
  }
}

function partNames(entry: string): CodeSplittingNameFunction {
  let parts: ReadonlyMap<string, string> | undefined;
  return (id, context) => {
    parts ??= partsOf(entry, (other) => context.getModuleInfo(other), PART_LENGTH);
    return parts.get(id) ?? null;
  };
}

/**
 * Characters behind Latin-1 become escapes: one of them would make V8 keep all of the text, for
 * each thread, in two bytes a character. Outside of strings, templates and patterns there are none.
 */
function inOneByte(code: string): string {
  return code.replace(
    /[\u0100-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Keeps `import.meta.url` of each module as it was: modules find other files relative to their own.
 */
function ownUrls(folder: string): Plugin {
  return {
    name: 'own-urls',
    transform(code, id) {
      if (!code.includes('import.meta.url')) return null;
      const url = `new URL('${relative(folder, id)}', import.meta.url).href`;
      return { code: code.replaceAll('import.meta.url', url) };
    },
  };
}
