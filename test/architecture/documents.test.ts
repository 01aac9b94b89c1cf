/**
 * What a reader of the documents relies on: pages that are made from the code are in step with it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GENERATED_PAGES } from '../../src/build/generated-pages.js';
import { projectRoot } from './source-scan.js';

const read = (path: string): string => readFileSync(join(projectRoot(), path), 'utf8');

describe('generated pages', () => {
  it.each(GENERATED_PAGES)('$path is what `npm run docs` writes', ({ path, text }) => {
    expect(read(path)).toBe(text());
  });
});
