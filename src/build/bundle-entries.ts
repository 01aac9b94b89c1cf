/**
 * A step of the build: makes a few files of the hundreds that each thread loads when it starts.
 *
 * Thread: any (pure), in a process of its own. The compiled file of each entry is replaced by a
 * line that leads to its bundle. Packages stay outside; what is loaded on demand has its own files.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';

/** Where a thread, or a process, begins. */
const ENTRIES = [
  'main',
  'worker/worker-task',
  'coordinator/coordinator-thread',
  'config/source/load-thread',
];

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
    external: /^[^./]/,
    plugins: [ownUrls(folder)],
  });
  await bundle.write({ dir: folder, format: 'es', entryFileNames: 'index.js' });
  await bundle.close();
  const isProgram = readFileSync(file, 'utf8').startsWith('#!');
  const path = relative(dirname(file), join(folder, 'index.js'));
  writeFileSync(file, `${isProgram ? '#!/usr/bin/env node\n' : ''}export * from './${path}';\n`);
}

/** Modules find files by their own place, which is not that of the bundle. */
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
