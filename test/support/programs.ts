/**
 * Other people's programs, run to their end, or beside a test.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { eventually } from './eventually.js';
import { isListening } from './is-listening.js';

export interface ProgramResult {
  /** null: it was ended. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program. Whatever it says is a result; only one that is not installed is an error. `env`:
 * beside what this process has.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  { input = '', env = {} }: { input?: string | Buffer; env?: Record<string, string> } = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const options = {
      ...{ timeout: 50_000, maxBuffer: 16 * 1024 * 1024 },
      env: { ...process.env, ...env },
    };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error !== null && error.code === 'ENOENT') {
        reject(new Error(`${command} is not here: .ci/run says which package has it`));
        return;
      }
      resolve({ code: child.exitCode, stdout, stderr });
    });
    // It may end before it has read everything.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** A Python that has this library: Debian puts its libraries into its own. */
export async function pythonWith(library: string): Promise<string> {
  // That of the system first: the scripts are written for the library as Debian has it.
  for (const python of ['/usr/bin/python3', 'python3']) {
    const { code } = await runProgram(python, ['-c', `import ${library}`]);
    if (code === 0) return python;
  }
  throw new Error(`no Python has ${library}: install the package python3-${library}`);
}

/** A program that serves a port until it is stopped. */
export class ServingProgram {
  private constructor(private readonly child: ChildProcess) {}

  /** Resolves when something listens on `port`. */
  static async start(
    command: string,
    args: readonly string[],
    port: number,
  ): Promise<ServingProgram> {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    child.stderr.on('data', (text) => {
      said += text;
    });
    child.on('error', (error) => {
      said += error.message;
    });
    const program = new ServingProgram(child);
    await eventually(`${command} listens`, async () => {
      if (child.exitCode !== null) throw new Error(`${command} ended: ${said}`);
      return isListening(port);
    });
    return program;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGTERM');
    await closed;
  }
}
