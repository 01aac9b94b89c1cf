/**
 * `npm run docs`: writes the generated pages, and the samples that other documents show.
 *
 * Thread: any (pure), in a process of its own.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GENERATED_PAGES } from './generated-pages.js';
import { withSamples } from './sample-fences.js';

/** The compiled file lies in dist/src/build/. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

for (const { path, text } of GENERATED_PAGES) writeFileSync(join(ROOT, path), text());
for (const name of readdirSync(join(ROOT, 'docs'))) writeSamples(`docs/${name}`);
writeSamples('README.md');

function writeSamples(path: string): void {
  if (path.endsWith('.md')) writeFileSync(join(ROOT, path), withSamples(read(path), read));
}
