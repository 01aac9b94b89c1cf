/**
 * One commit, built in a folder of its own, which goes away again.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcesses } from './child-processes.js';
import { projectRoot } from './environment.js';

const GIT_TIMEOUT_MS = 60_000;
const BUILD_DEADLINE_MS = 120_000;

export class Worktree {
  /** Short hash. */
  readonly commit: string;
  readonly folder: string;
  readonly #parent: string;

  /** Throws when there is no such commit. */
  constructor(revision: string) {
    this.commit = git('rev-parse', '--short', '--verify', `${revision}^{commit}`);
    this.#parent = mkdtempSync(join(tmpdir(), 'sluice-commit-'));
    this.folder = join(this.#parent, this.commit);
  }

  /** Checks the commit out and compiles its src/ with this tree's packages. */
  async build(children: ChildProcesses): Promise<void> {
    git('worktree', 'add', '--detach', '--quiet', this.folder, this.commit);
    symlinkSync(join(projectRoot(), 'node_modules'), join(this.folder, 'node_modules'), 'junction');
    const config = { extends: './tsconfig.json', include: ['src'] };
    const configPath = join(this.folder, 'tsconfig.compare.json');
    writeFileSync(configPath, JSON.stringify(config));
    const compiler = join(projectRoot(), 'node_modules', 'typescript', 'bin', 'tsc');
    try {
      await children.run('tsc', [process.execPath, compiler, '-p', configPath], BUILD_DEADLINE_MS);
    } catch (error) {
      // Types may disagree with other versions of packages; what runs can be measured.
      if (!existsSync(join(this.folder, 'dist', 'src', 'main.js'))) throw error;
      process.stderr.write(`${(error as Error).message}\n`);
    }
    for (const step of this.#stepsAfterCompiling()) {
      await children.run(step, [process.execPath, join(this.folder, step)], BUILD_DEADLINE_MS);
    }
  }

  /** What the commit's own build runs of what it has compiled. */
  #stepsAfterCompiling(): string[] {
    const text = readFileSync(join(this.folder, 'package.json'), 'utf8');
    const { scripts } = JSON.parse(text) as { scripts: { build: string } };
    return [...scripts.build.matchAll(/\bnode (dist\/src\/\S+)/g)].map(([, step]) => step ?? '');
  }

  /** Whether it was made for the very packages that it is run with. */
  hasSamePackages(): boolean {
    const read = (folder: string) => readFileSync(join(folder, 'package-lock.json'), 'utf8');
    try {
      return read(this.folder) === read(projectRoot());
    } catch {
      return false;
    }
  }

  /** May be called at any moment, and more than once. */
  remove(): void {
    if (existsSync(this.folder)) {
      try {
        git('worktree', 'remove', '--force', this.folder);
      } catch {
        // Not registered yet, or half made: the folder goes, and its entry with it.
      }
    }
    rmSync(this.#parent, { recursive: true, force: true });
    try {
      if (git('worktree', 'list', '--porcelain').includes(this.folder)) git('worktree', 'prune');
    } catch {
      // No repository any more: nothing to tidy.
    }
  }
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, {
      cwd: projectRoot(),
      encoding: 'utf8',
      timeout: GIT_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim();
    throw new Error(`git ${args.join(' ')}: ${said || String(error)}`);
  }
}
