/**
 * Every bench still runs at its smallest size: those of code yield a checksum, the
 * scenarios of the gateway bench a figure, and a run leaves a page that stands by itself.
 *
 * The benches run as a user runs them, compiled and in a process of their own, since some start
 * threads; they are compiled into a temporary folder, so that dist/ need not be fresh.
 * Whether their types are right the build and the check have said.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../bench/support/latency-histogram.js';
import { listFiles, projectRoot } from './source-scan.js';

interface SmokeCase {
  readonly name: string;
  readonly role: string;
  readonly checksum: number;
}

interface SmokeBench {
  readonly name: string;
  readonly question: string;
  readonly cases: readonly SmokeCase[];
}

interface SmokeScenario {
  readonly name: string;
  readonly measures: readonly { readonly key: string; readonly isMain: boolean }[];
  readonly contenders: readonly {
    readonly name: string;
    readonly rounds: readonly {
      readonly values: Readonly<Record<string, number | null>>;
      readonly errors: object;
    }[];
  }[];
}

interface SmokeResult {
  readonly failures: readonly string[];
  readonly benches: readonly SmokeBench[];
  readonly gateway?: { readonly scenarios: readonly SmokeScenario[] };
}

const run = promisify(execFile);
const root = projectRoot();
const COMPILE_DEADLINE_MS = 60_000;
const RUN_DEADLINE_MS = 120_000;
const SUITES = ['micro', 'channel'];

const codeBenches = SUITES.flatMap((suite) =>
  listFiles(join(root, 'bench', suite), '.bench.ts').map(
    (path) => `${suite}/${path.replace(/\.bench\.ts$/, '')}`,
  ),
);
const scenarios = listFiles(join(root, 'bench', 'gateway', 'scenarios'), '.ts').map((path) =>
  basename(path, '.ts'),
);

describe('the benches', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-smoke-'));
  const json = join(folder, 'results.json');
  let results: SmokeResult = { failures: [], benches: [] };

  beforeAll(async () => {
    await compileBenches(folder);
    const main = join(folder, 'dist', 'bench', 'main.js');
    const command = [main, '--smoke', '--only', 'direct,sluice,sluice-tls', '--json', json];
    await run(process.execPath, command, { timeout: RUN_DEADLINE_MS, killSignal: 'SIGKILL' });
    results = JSON.parse(readFileSync(json, 'utf8')) as SmokeResult;
  }, COMPILE_DEADLINE_MS + RUN_DEADLINE_MS);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are there, and none failed', () => {
    expect(codeBenches.length).toBeGreaterThan(0);
    expect(scenarios.length).toBeGreaterThan(0);
    expect(results.failures).toEqual([]);
  });

  it.each(codeBenches)('%s runs, compares, and yields checksums', (name) => {
    const result = results.benches.find((one) => one.name === name);
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

  it.each(scenarios)('gateway/%s gives Sluice a figure without errors', (name) => {
    const result = results.gateway?.scenarios.find((one) => one.name === name);
    const find = (own: string) => result?.contenders.find(({ name: one }) => one === own);
    const rounds = (find('sluice') ?? find('sluice-tls'))?.rounds ?? [];
    expect(rounds.length, 'it ran').toBeGreaterThan(0);
    const keys = result?.measures.filter((one) => one.isMain).map((one) => one.key) ?? [];
    for (const { values, errors } of rounds) {
      expect(errors).toEqual({});
      expect(keys.filter((key) => Number.isFinite(values[key])).length).toBeGreaterThan(0);
      // Where the system tells no CPU time and no memory those are missing, and no others.
      if (process.platform === 'linux') {
        expect(keys.filter((key) => !Number.isFinite(values[key]))).toEqual([]);
      }
    }
  });

  it('leave a page that needs nothing from elsewhere', () => {
    const page = readFileSync(json.replace(/json$/, 'html'), 'utf8');
    expect(page).toContain('<svg ');
    for (const name of scenarios) expect(page).toContain(`<h2 id="${name}">`);
    expect(page).not.toMatch(/<script|<link|<img|@import|url\(|src=|https?:\/\//);
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('the latency histogram', () => {
  it('is exact below 128 µs and within 1.6 % above', () => {
    for (const value of [0, 1, 63, 64, 127, 128, 129, 1000, 65_535, 65_536, 9_999_999]) {
      const histogram = new LatencyHistogram();
      histogram.record(value);
      histogram.record(2 ** 29);
      const error = Math.abs(histogram.percentile(50) - value);
      expect(error).toBeLessThanOrEqual(value < 128 ? 0 : value * 0.016);
      expect(histogram.max).toBe(2 ** 29);
    }
  });

  it('counts ranks from the smallest on', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.percentile(50)).toBeNaN();
    for (let value = 1; value <= 100; value += 1) histogram.record(value);
    expect(histogram.count).toBe(100);
    expect([1, 50, 99, 99.9, 100].map((one) => histogram.percentile(one))).toEqual([
      1, 50, 99, 100, 100,
    ]);
  });
});

async function compileBenches(folder: string): Promise<void> {
  mkdirSync(join(folder, 'dist'));
  // Modules resolve from where the compiled files lie.
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const manifest = readFileSync(join(root, 'package.json'), 'utf8');
  writeFileSync(join(folder, 'package.json'), manifest);
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { rootDir: root, outDir: join(folder, 'dist'), declaration: false },
    // The types of a package that brings none.
    include: ['bench', 'src', 'test/support/ws.d.ts'].map((path) => join(root, path)),
  };
  const configPath = join(folder, 'tsconfig.json');
  writeFileSync(configPath, JSON.stringify(config));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    await run(process.execPath, [compiler, '-p', configPath, '--noCheck'], {
      timeout: COMPILE_DEADLINE_MS,
    });
  } catch (error) {
    throw new Error(
      `the benches do not compile:\n${(error as { stdout?: string }).stdout ?? error}`,
    );
  }
}
