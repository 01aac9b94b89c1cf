/**
 * What the build makes of the entries: few files a thread, which find the files that they name.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const COMPILED = fileURLToPath(new URL('../../dist/src', import.meta.url));
const ENTRIES = ['main.js', 'worker/worker-task.js', 'coordinator/coordinator-thread.js'];

/** The files that are loaded before the first line of the entry runs, the entry among them. */
function filesOf(entry: string): string[] {
  const reached = new Set([entry]);
  for (const file of reached) {
    const text = readFileSync(file, 'utf8');
    for (const [, path] of text.matchAll(
      /^(?:import|export)\b[^;]*? from ["'](\.[^"']+)["'];$/gm,
    )) {
      reached.add(resolve(dirname(file), path ?? ''));
    }
  }
  return [...reached];
}

describe('the bundle of an entry', () => {
  it.each(ENTRIES)('%s: is reached from its compiled file', (entry) => {
    const files = filesOf(join(COMPILED, entry));
    expect(files.length).toBeGreaterThan(1);
    expect(files.length).toBeLessThan(25);
    for (const file of files.slice(1)) expect(file).toContain(join(COMPILED, 'bundle'));
  });

  it('names files by places where they are', () => {
    const bundles = join(COMPILED, 'bundle');
    const places = readdirSync(bundles, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.js'))
      .map((name) => join(bundles, name))
      .flatMap((file) => {
        const names = readFileSync(file, 'utf8').matchAll(
          /new URL\(["']([^"']+)["'], import\.meta/g,
        );
        return Array.from(names, ([, name]) => resolve(dirname(file), name ?? ''));
      });
    expect(places.length).toBeGreaterThan(5);
    expect(places.filter((place) => !existsSync(place))).toEqual([]);
  });
});
