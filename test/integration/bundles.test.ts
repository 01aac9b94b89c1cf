/**
 * What the build makes of the entries: few files a thread, which find the files that they name.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';

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
    expect(files.length).toBeLessThan(45);
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

it('a worker whose file is broken is a start that failed, with its reason', () => {
  const folder = mkdtempSync(join(tmpdir(), 'broken-worker-'));
  try {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    cpSync(COMPILED, join(folder, 'dist/src'), { recursive: true });
    cpSync(join(root, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(
      join(folder, 'dist/src/bundle/worker-task/index.js'),
      "throw new Error('broken on purpose');\n",
    );
    const config = join(folder, 'sluice.json');
    writeFileSync(config, JSON.stringify(aConfig(['http://127.0.0.1:1'])));
    const command = [join(folder, 'dist/src/main.js'), 'run', '-c', config];
    const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
    expect(stderr).toMatch(/^sluice: Error: broken on purpose\n/);
    expect(stderr).not.toMatch(/unhandled/i);
    expect(status).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
