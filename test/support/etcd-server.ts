/**
 * A real etcd for tests: one member, or several, in a folder of its own and on free ports.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.js';
import { freePorts } from './pebble.js';

/** What a machine without etcd lacks; '': nothing. */
export const NO_ETCD =
  spawnSync('etcd', ['--version']).status === 0 && spawnSync('etcdctl', ['version']).status === 0
    ? ''
    : 'there is no etcd (packages etcd-server and etcd-client)';

interface Member {
  readonly name: string;
  readonly client: number;
  readonly peer: number;
  child: ChildProcess;
}

export class EtcdServer {
  /** `NAME:PASSWORD` of who etcdctl is; '': nobody. */
  user = '';
  private readonly members: Member[] = [];
  private folder = '';

  private constructor(private readonly flags: readonly string[]) {}

  /** Starts it; resolves when it answers. */
  static async start(count = 1, flags: readonly string[] = []): Promise<EtcdServer> {
    const server = new EtcdServer(flags);
    await server.begin(count);
    return server;
  }

  /** `HOST:PORT`, of all members. */
  get hosts(): string {
    return this.members.map(({ client }) => `127.0.0.1:${client}`).join(',');
  }

  portOf(member: number): number {
    return this.members[member]?.client ?? 0;
  }

  /** Runs etcdctl; resolves with what it prints. */
  async ctl(...args: readonly string[]): Promise<string> {
    const endpoints = `--endpoints=${this.hosts}`;
    const env = { ...process.env, ETCDCTL_API: '3' };
    const user = this.user === '' ? [] : [`--user=${this.user}`];
    const words = [endpoints, ...user, ...args];
    const { stdout } = await promisify(execFile)('etcdctl', words, { env });
    return stdout;
  }

  /** The revision that it is at. */
  async revision(): Promise<number> {
    const status = JSON.parse(await this.ctl('endpoint', 'status', '-w', 'json'));
    return Number(status[0].Status.header.revision);
  }

  signal(member: number, signal: NodeJS.Signals): void {
    this.members[member]?.child.kill(signal);
  }

  async kill(member = 0): Promise<void> {
    const child = this.members[member]?.child;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  /** Starts a member again that was killed. */
  async again(member = 0): Promise<void> {
    const one = this.members[member];
    if (one === undefined) throw new Error('no such member');
    one.child = this.spawn(one);
    await this.whenHealthy();
  }

  /** Another store at the same address: all data is gone. */
  async rebuild(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-etcd-'));
    await this.again();
  }

  async stop(): Promise<void> {
    for (const [member, { child }] of this.members.entries()) {
      child.kill('SIGCONT');
      await this.kill(member);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async begin(count: number): Promise<void> {
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-etcd-'));
    const free = await freePorts(2 * count);
    const ports = Array.from(
      { length: count },
      (_, at) => [free[2 * at], free[2 * at + 1]] as const,
    );
    const cluster = ports.map(([, peer], member) => `m${member}=http://127.0.0.1:${peer}`);
    this.cluster = cluster.join(',');
    for (const [member, [client = 0, peer = 0]] of ports.entries()) {
      const one = { name: `m${member}`, client, peer };
      this.members.push({ ...one, child: this.spawn(one) });
    }
    try {
      await this.whenHealthy();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  private cluster = '';

  private spawn({ name, client, peer }: Omit<Member, 'child'>): ChildProcess {
    const [ofClient, ofPeer] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
    return spawn(
      'etcd',
      [
        ...['--name', name, '--data-dir', join(this.folder, name)],
        ...['--listen-client-urls', ofClient, '--advertise-client-urls', ofClient],
        ...['--listen-peer-urls', ofPeer, '--initial-advertise-peer-urls', ofPeer],
        ...['--initial-cluster', this.cluster, '--log-level', 'error'],
        // The least of what it allows by itself is 5 s between two PINGs.
        ...['--grpc-keepalive-min-time', '50ms', ...this.flags],
      ],
      { stdio: 'ignore' },
    );
  }

  private whenHealthy(): Promise<void> {
    return eventually('etcd is healthy', async () => {
      try {
        await this.ctl('endpoint', 'health', '--command-timeout=2s');
        return true;
      } catch {
        return false;
      }
    });
  }
}
