/**
 * The origin of the chaos runs, as a process of its own.
 *
 *     /work          takes 20 ms, and 8 at a time: a capacity of 400 a second, the rest queues
 *     /quick         answers at once
 *     /large         answers at once with a mebibyte
 *     any other      no answer at all
 *
 * The second half of this file is what the process runs, from the build.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

export const WORK_MS = 20;
export const WORK_AT_ONCE = 8;
const LARGE = Buffer.alloc(2 ** 20, 'x');
/** Requests of /work a second. */
export const WORK_CAPACITY = (WORK_AT_ONCE * 1000) / WORK_MS;

export class OriginServer {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  /** Port 0: one that the system chooses. */
  static async start(port = 0): Promise<OriginServer> {
    const child = fork(fileURLToPath(import.meta.url), [String(port)]);
    const bound = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve(Number(message)));
      child.once('exit', (code) => reject(new Error(`the origin ended with ${code}`)));
    });
    return new OriginServer(child, bound);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** SIGKILL: no goodbye to anybody. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }

  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }
}

class WorkQueue {
  private readonly waiting: ServerResponse[] = [];
  private busy = 0;

  add(response: ServerResponse): void {
    if (this.busy < WORK_AT_ONCE) this.work(response);
    else this.waiting.push(response);
  }

  private work(response: ServerResponse): void {
    this.busy++;
    setTimeout(() => {
      response.end('ok');
      this.busy--;
      const next = this.waiting.shift();
      if (next !== undefined) this.work(next);
    }, WORK_MS);
  }
}

function serve(port: number): void {
  const queue = new WorkQueue();
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    request.on('error', () => {});
    if (request.url === '/work') queue.add(response);
    else if (request.url === '/quick') response.end('ok');
    else if (request.url === '/large') response.end(LARGE);
  });
  server.listen(port, '127.0.0.1', () => {
    process.send?.((server.address() as AddressInfo).port);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(Number(process.argv[2]));
