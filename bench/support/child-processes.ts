/**
 * Every process a bench starts, so that none of them outlives it: not after an error, not after
 * Ctrl-C, and not after the bench itself was killed: then its guardian does it.
 *
 * Each child leads its own process group, so a server that forks workers goes as a whole.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const STOP_GRACE_MS = 4000;
const KILL_WAIT_MS = 2000;
const OUTPUT_KEPT = 16_384;

export interface ChildOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
  /** Takes its standard output, which is then not kept. */
  readonly outputPath?: string;
}

export class RunningChild {
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<void>;
  #output = '';
  #hasEnded = false;
  #exitCode: number | null = null;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.pid = child.pid ?? 0;
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-OUTPUT_KEPT);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null) => {
        this.#hasEnded = true;
        this.#exitCode = code;
        resolve();
      };
      child.once('error', (error) => {
        this.#output += String(error);
        end(null);
      });
      child.once('exit', () => {
        this.#hasEnded = true;
        // The group is swept even when the leader went by itself: its workers may have stayed,
        // and they hold the outputs open.
        this.killGroup();
      });
      child.once('close', end);
    });
  }

  /** The last of what it printed, both outputs mixed. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get exitCode(): number | null {
    return this.#exitCode;
  }

  /** Asks it to end, insists after the grace period, and sweeps what is left of its group. */
  async stop(graceMs = STOP_GRACE_MS): Promise<void> {
    if (!this.#hasEnded) {
      signal(this.pid, 'SIGTERM');
      await this.#endedWithin(graceMs);
    }
    this.killGroup();
    await this.#endedWithin(KILL_WAIT_MS);
  }

  killGroup(): void {
    if (this.pid > 0) signal(-this.pid, 'SIGKILL');
  }

  async #endedWithin(limitMs: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([
      this.ended,
      sleep(limitMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
  }
}

export class ChildProcesses {
  readonly #running = new Set<RunningChild>();
  readonly #guardian: ChildProcess;
  #isClosed = false;
  readonly #killNow = () => {
    for (const child of this.#running) child.killGroup();
  };

  constructor() {
    const path = fileURLToPath(new URL('./guardian.js', import.meta.url));
    this.#guardian = spawn(process.execPath, [path], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guardian.unref();
    this.#guardian.stdin?.on('error', () => undefined);
    // Runs when the bench ends in whatever way still lets JavaScript run.
    process.once('exit', this.#killNow);
  }

  start(name: string, command: readonly string[], options: ChildOptions = {}): RunningChild {
    const [program, ...args] = command;
    if (program === undefined) throw new Error(`${name}: nothing to start`);
    if (this.#isClosed) throw new Error(`${name}: the bench is stopping`);
    const { outputPath } = options;
    const output = outputPath === undefined ? 'pipe' : openSync(outputPath, 'a');
    const child = spawn(program, args, {
      cwd: options.folder,
      env: { ...process.env, ...options.environment },
      stdio: ['ignore', output, 'pipe'],
      detached: true,
    });
    if (typeof output === 'number') closeSync(output);
    const running = new RunningChild(name, child);
    this.#running.add(running);
    this.#tellGuardian(`add ${running.pid}`);
    void running.ended.then(() => {
      this.#running.delete(running);
      this.#tellGuardian(`drop ${running.pid}`);
    });
    return running;
  }

  /** Runs to the end and gives what it printed; ends it when the deadline passes. */
  async run(name: string, command: readonly string[], deadlineMs: number): Promise<string> {
    const child = this.start(name, command);
    const timer = setTimeout(() => child.killGroup(), deadlineMs);
    await child.ended;
    clearTimeout(timer);
    if (child.exitCode === 0) return child.output;
    throw new Error(`${name} ended with ${child.exitCode ?? 'a signal'}: ${child.output.trim()}`);
  }

  async stopAll(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#running].map((child) => child.stop()));
    process.removeListener('exit', this.#killNow);
    this.#guardian.stdin?.end();
  }

  #tellGuardian(line: string): void {
    const input: Writable | null = this.#guardian.stdin;
    if (input?.writable) input.write(`${line}\n`);
  }
}

/** Polls until `check` holds; throws with the reason when the deadline passes or it ends. */
export async function waitUntil(
  what: string,
  deadlineMs: number,
  check: () => Promise<boolean>,
  child?: RunningChild,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (performance.now() < end) {
    if (child?.hasEnded) throw new Error(`${what}: it ended early: ${child.output.trim()}`);
    if (await check()) return;
    await sleep(25);
  }
  const output = child === undefined ? '' : `: ${child.output.trim()}`;
  throw new Error(`${what}: not within ${deadlineMs} ms${output}`);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Already gone.
  }
}
