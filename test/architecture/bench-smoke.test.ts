/**
 * Every bench of code still compiles, runs at its smallest size, and yields a checksum.
 *
 * The benches run as a user runs them, compiled and in a process of their own, since some start
 * threads; they are compiled into a temporary folder, so that dist/ need not be fresh.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listFiles, projectRoot } from './source-scan.js';

interface SmokeCase {
  readonly name: string;
  readonly role: string;
  readonly checksum: number;
}

interface SmokeResult {
  readonly name: string;
  readonly question: string;
  readonly cases: readonly SmokeCase[];
}

const run = promisify(execFile);
const root = projectRoot();
const COMPILE_DEADLINE_MS = 60_000;
const RUN_DEADLINE_MS = 60_000;
const SUITES = ['micro', 'channel'];

const names = SUITES.flatMap((suite) =>
  listFiles(join(root, 'bench', suite), '.bench.ts').map(
    (path) => `${suite}/${path.replace(/\.bench\.ts$/, '')}`,
  ),
);

describe('the benches of code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-smoke-'));
  let results: readonly SmokeResult[] = [];

  beforeAll(async () => {
    await compileBenches(folder);
    const json = join(folder, 'results.json');
    const main = join(folder, 'dist', 'bench', 'main.js');
    await run(process.execPath, [main, 'micro/', 'channel/', '--smoke', '--json', json], {
      timeout: RUN_DEADLINE_MS,
      killSignal: 'SIGKILL',
    });
    results = (JSON.parse(readFileSync(json, 'utf8')) as { benches: SmokeResult[] }).benches;
  }, COMPILE_DEADLINE_MS + RUN_DEADLINE_MS);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are there', () => {
    expect(names.length).toBeGreaterThan(0);
  });

  it.each(names)('%s runs, compares, and yields checksums', (name) => {
    const result = results.find((one) => one.name === name);
    expect(result, 'it ran').toBeDefined();
    expect(result?.question).toMatch(/\?$/);
    const roles = result?.cases.map((one) => one.role) ?? [];
    expect(roles).toContain('subject');
    expect(roles).toContain('alternative');
    for (const one of result?.cases ?? []) {
      expect(Number.isInteger(one.checksum), `${one.name} has a checksum`).toBe(true);
    }
    expect(result?.cases.some((one) => one.checksum !== 0)).toBe(true);
  });
});

async function compileBenches(folder: string): Promise<void> {
  mkdirSync(join(folder, 'dist'));
  // Modules resolve from where the compiled files lie.
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { rootDir: root, outDir: join(folder, 'dist'), declaration: false },
    include: [join(root, 'bench')],
  };
  const configPath = join(folder, 'tsconfig.json');
  writeFileSync(configPath, JSON.stringify(config));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    await run(process.execPath, [compiler, '-p', configPath], { timeout: COMPILE_DEADLINE_MS });
  } catch (error) {
    throw new Error(
      `the benches do not compile:\n${(error as { stdout?: string }).stdout ?? error}`,
    );
  }
}
