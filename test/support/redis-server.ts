/**
 * A real Redis server of a test, on a port of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './client-rig.js';
import { eventually } from './eventually.js';
import { isListening } from './is-listening.js';

/** Why there can be none; '': there can. */
export function redisMissing(program = 'redis-server'): string {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return '';
  } catch {
    return `${program} is not here: .ci/run says which package has it`;
  }
}

export class RedisServer {
  private child: ChildProcess | null = null;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly settings: readonly string[],
    /** Where nodes of a Redis Cluster talk; 0: it is none. */
    readonly busPort = 0,
  ) {}

  /** `settings`: as on the command line. Resolves when it listens. */
  static async start(settings: readonly string[] = [], port?: number): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'));
    const server = new RedisServer(port ?? (await freePort()), folder, settings);
    await server.run();
    return server;
  }

  /** A node of a Redis Cluster, which knows no other one yet. */
  static async startMember(): Promise<RedisServer> {
    const [port, busPort] = [await freePort(), await freePort()];
    const settings = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)];
    const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'));
    const server = new RedisServer(port, folder, settings, busPort);
    await server.run();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again on the same port; nothing was kept. */
  async run(): Promise<void> {
    const { port, folder, settings } = this;
    const fixed = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder];
    const child = spawn('redis-server', [
      ...fixed,
      '--save',
      '',
      '--appendonly',
      'no',
      ...settings,
    ]);
    this.child = child;
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    await eventually('redis-server listens', async () => {
      if (child.exitCode !== null) throw new Error(`redis-server ended: ${said}`);
      return isListening(port);
    });
  }

  /** It neither answers nor ends, until it is resumed. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await closed;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
