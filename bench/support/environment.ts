/**
 * Where a bench runs: machine, versions, commit; and a warning when the place is too small or
 * too busy for its figures to mean much.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Environment {
  readonly date: string;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly governor: string;
  readonly load1: number;
  /** Short hash, with `+` when the working tree differs from it. */
  readonly commit: string;
}

/** Extra places where servers live that an ordinary user's PATH leaves out. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin', '/usr/local/bin'];
const BUSY_LOAD_PER_CORE = 0.3;
const COMMAND_TIMEOUT_MS = 5000;

export function readEnvironment(): Environment {
  return {
    date: new Date().toISOString(),
    node: process.version,
    v8: process.versions.v8,
    platform: `${platform()} ${release()} ${arch()}`,
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    governor: readGovernor(),
    load1: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    commit: readCommit(),
  };
}

export function describeEnvironment(environment: Environment): string {
  const { cpuModel, cores, memoryGiB, node, v8, commit, governor, load1 } = environment;
  return [
    `machine  ${cpuModel}, ${cores} cores, ${memoryGiB} GiB, ${environment.platform}`,
    `runtime  Node ${node} (V8 ${v8}), commit ${commit}`,
    `state    governor ${governor}, load ${load1}, ${environment.date}`,
  ].join('\n');
}

/** Reasons to doubt the figures; empty on a quiet machine that is large enough. */
export function listDoubts(environment: Environment, threadsNeeded: number): string[] {
  const doubts: string[] = [];
  if (environment.cores < threadsNeeded) {
    doubts.push(
      `${environment.cores} cores for ${threadsNeeded} busy threads: they take turns, so rates ` +
        'depend on each other; CPU time per request is the figure to trust',
    );
  }
  if (environment.load1 > environment.cores * BUSY_LOAD_PER_CORE) {
    doubts.push(`load ${environment.load1} before the start: something else is running`);
  }
  if (environment.governor !== 'unknown' && environment.governor !== 'performance') {
    doubts.push(`CPU governor ${environment.governor}: the clock rate may move`);
  }
  return doubts;
}

/** The folder of package.json above this file, whether it runs from bench/ or dist/bench/. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no package.json above the bench');
    folder = parent;
  }
  return folder;
}

/** Full path of a program, or empty when this machine lacks it. */
export function findProgram(name: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(':'), ...SERVER_FOLDERS];
  for (const folder of folders) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder; the next one may have it.
    }
  }
  return '';
}

/** First line that a program prints about its version, on either output. */
export function readVersion(program: string, argument: string): string {
  try {
    const text = execFileSync('sh', ['-c', `"$0" ${argument} 2>&1 || true`, program], {
      encoding: 'utf8',
      timeout: COMMAND_TIMEOUT_MS,
    });
    return text.split('\n')[0]?.trim() ?? '';
  } catch {
    return '';
  }
}

/** Version of an installed package; empty when it is not there. */
export function readPackageVersion(name: string): string {
  // Not through its exports, which seldom let its package.json be read.
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    try {
      const text = readFileSync(join(folder, name, 'package.json'), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      // Not in this folder; the next one may have it.
    }
  }
  return '';
}

/** A TCP port that was free a moment ago: bound on 0, read, and given back. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

function readGovernor(): string {
  try {
    const path = '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor';
    return readFileSync(path, 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

function readCommit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: projectRoot(),
      encoding: 'utf8',
      timeout: COMMAND_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}
