/**
 * Global setup of the projects that run the build: they fail at once, and say why, when dist/ is
 * missing or older than the sources.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What is compiled, and a file that each compilation writes anew. */
const BUILDS = [
  { sources: 'src', output: 'dist/src/index.js' },
  { sources: 'test/support', output: 'dist/test/support/built-file.js' },
  { sources: 'test/chaos', output: 'dist/test/chaos/run.js' },
];

export function setup(): void {
  for (const { sources, output } of BUILDS) {
    const builtMs = writtenMs(output);
    const newer = sourceFiles(sources).find((path) => writtenMs(path) > builtMs);
    if (newer === undefined) continue;
    throw new Error(`dist/ is older than ${newer}: run \`npm run build:all\` first`);
  }
}

/** 0: the file does not exist. */
function writtenMs(path: string): number {
  return statSync(join(ROOT, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function sourceFiles(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return entries.filter((path) => path.endsWith('.ts')).map((path) => join(folder, path));
}
