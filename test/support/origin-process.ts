/**
 * An origin as a process of its own, which a test can kill and start again on the same port.
 *
 * The second half of this file is what the process runs, from the build:
 * `node dist/test/support/origin-process.js PORT`. Every reply says which process gave it, and how
 * many health checks that process had answered before its first request.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { builtFile } from './built-file.js';

export const HEALTH_PATH = '/health';

const FILE = builtFile('test/support/origin-process.js');

export interface OriginReply {
  readonly pid: number;
  readonly checksBefore: number;
}

export class OriginProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  /** Resolves when it listens. Port 0: one that the system chooses. */
  static async start(port = 0): Promise<OriginProcess> {
    const child = spawn(process.execPath, [FILE, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const bound = await new Promise<number>((resolve, reject) => {
      child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(Number(text)));
      child.once('exit', (code) => reject(new Error(`the origin ended with ${code}`)));
    });
    return new OriginProcess(child, bound);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** SIGKILL: no goodbye to anybody. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }
}

function serve(port: number): void {
  let checks = 0;
  let checksBefore = -1;
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    if (request.url === HEALTH_PATH) {
      checks += 1;
      response.end();
      return;
    }
    if (checksBefore === -1) checksBefore = checks;
    const reply: OriginReply = { pid: process.pid, checksBefore };
    // As long as a small piece of work takes, so that some requests are in flight at any moment.
    setTimeout(() => response.end(JSON.stringify(reply)), 3);
  });
  server.listen(port, '127.0.0.1', () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
}

if (argv[1] === fileURLToPath(import.meta.url)) serve(Number(argv[2]));
