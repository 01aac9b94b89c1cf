/**
 * A step of the build: bundles the hundreds of files that each thread loads at its start into a
 * few.
 *
 * Thread: any (pure), in a process of its own. The compiled file of each entry is replaced by a
 * line that leads to its bundle. Packages stay outside the bundles; code that is loaded on demand
 * keeps files of its own.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CodeSplittingNameFunction, type Plugin, rolldown } from 'rolldown';
import { partsOf } from './bundle-parts.js';

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

/** Of compiled files, with their comments, which the parts are without. */
const PART_LENGTH = 150_000;

const COMPILED = join(dirname(fileURLToPath(import.meta.url)), '..');
const BUNDLES = join(COMPILED, 'bundle');

rmSync(BUNDLES, { recursive: true, force: true });
for (const entry of ENTRIES) await bundleEntry(entry);

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
  for (const file of output) {
    if (file.type !== 'chunk') throw new Error(`${file.fileName} is no code`);
    writeFileSync(join(folder, file.fileName), inOneByte(file.code));
  }
  const isProgram = readFileSync(file, 'utf8').startsWith('#!');
  const path = relative(dirname(file), join(folder, 'index.js'));
  writeFileSync(file, `${isProgram ? '#!/usr/bin/env node\n' : ''}export * from './${path}';\n`);
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
