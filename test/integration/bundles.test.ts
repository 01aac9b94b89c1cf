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
import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { compiledFile } from '../../src/boot/bundle-loader.js';
import { NODE_MODULES } from '../../src/supervisor/node-modules.js';
import { aConfig } from '../support/configs.js';

const COMPILED = fileURLToPath(new URL('../../dist/src', import.meta.url));
const ENTRIES = ['main.js', 'worker/worker-task.js', 'coordinator/coordinator-thread.js'];

function importsIn(file: string): string[] {
  const names = readFileSync(file, 'utf8').matchAll(
    /(?:loadBundle\(new URL\('|\$load\(")(\.[^'"]+)['"]/g,
  );
  return Array.from(names, ([, name]) => resolve(dirname(file), name ?? ''));
}

/** The files that are loaded before the first line of the entry runs, the entry among them. */
function filesOf(entry: string): string[] {
  const reached = new Set([entry]);
  for (const file of reached) for (const next of importsIn(file)) reached.add(next);
  return [...reached];
}

/** What the files of Node are that these files load. */
function nodeModulesOf(files: readonly string[]): string[] {
  const names = files.flatMap((file) =>
    Array.from(
      readFileSync(file, 'utf8').matchAll(/\$load\("node:([^"]+)"\)/g),
      ([, name]) => name,
    ),
  );
  return [...new Set(names)].filter((name) => name !== undefined);
}

describe('the bundle of an entry', () => {
  it.each(ENTRIES)('%s: is reached from its compiled file', (entry) => {
    const files = filesOf(join(COMPILED, entry));
    expect(files.length).toBeGreaterThan(1);
    expect(files.length).toBeLessThan(45);
    for (const file of files.slice(1)) expect(file).toContain(join(COMPILED, 'bundle'));
  });

  it.each(ENTRIES)('%s: V8 takes the code that was compiled with the build', (entry) => {
    for (const file of filesOf(join(COMPILED, entry)).slice(1)) {
      const cachedData = readFileSync(compiledFile(file));
      const script = new Script(readFileSync(file, 'latin1'), { filename: file, cachedData });
      expect(script.cachedDataRejected, file).toBe(false);
    }
  });

  it('of a gateway needs no module of Node that is not loaded before flags of V8 are set', () => {
    const bundle = join(COMPILED, 'bundle/main');
    const chunks = readdirSync(bundle).filter((name) =>
      /^(?:gateway|worker-pool)-.*js$/.test(name),
    );
    expect(chunks).toHaveLength(2);
    const needed = nodeModulesOf(chunks.flatMap((name) => filesOf(join(bundle, name))));
    const { stdout } = spawnSync(process.execPath, ['-p', 'process.moduleLoadList.join()'], {
      encoding: 'utf8',
    });
    const loaded = new Set(
      stdout
        .trim()
        .split(',')
        .map((one) => one.replace('NativeModule ', '')),
    );
    expect(needed.length).toBeGreaterThan(10);
    expect(needed.filter((name) => !loaded.has(name) && !NODE_MODULES.includes(name))).toEqual([]);
  });

  it('has no chunk that leads to itself: a script is there for others only when it has run', () => {
    const bundles = join(COMPILED, 'bundle');
    const chunks = readdirSync(bundles, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.js'))
      .map((name) => join(bundles, name));
    const next = new Map(chunks.map((file) => [file, importsIn(file)]));
    for (const file of chunks) {
      const reached = new Set(next.get(file));
      for (const one of reached) for (const other of next.get(one) ?? []) reached.add(other);
      expect(reached.has(file), file).toBe(false);
    }
  });

  it('names files by places where they are', () => {
    const bundles = join(COMPILED, 'bundle');
    const places = readdirSync(bundles, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.js'))
      .map((name) => join(bundles, name))
      .flatMap((file) => {
        const names = readFileSync(file, 'utf8').matchAll(/new URL\(["']([^"']+)["'], \$meta/g);
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
