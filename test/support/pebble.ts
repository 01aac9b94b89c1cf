/**
 * An ACME authority for tests: pebble, and a name server that knows every name as this machine.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { TestAuthority } from './test-authority.js';

/** Empty, or why there is none. */
export const PEBBLE_MISSING = missing();

function missing(): string {
  for (const program of ['pebble', 'pebble-challtestsrv']) {
    try {
      execFileSync('which', [program], { stdio: 'pipe' });
    } catch {
      return `${program} is not installed (apt-get install pebble)`;
    }
  }
  return '';
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    ports.push((server.address() as AddressInfo).port);
  }
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export class Pebble {
  private constructor(
    readonly directory: string,
    /** A file with the authority of the directory's own certificate. */
    readonly directoryCa: string,
    private readonly folder: string,
    private readonly children: readonly ChildProcess[],
    private readonly output: string[],
  ) {}

  /** `httpPort`, `tlsPort`: where it looks for challenges. */
  static async start(httpPort: number, tlsPort: number): Promise<Pebble> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-pebble-'));
    const [port = 0, management = 0, dns = 0, dnsManagement = 0] = await freePorts(4);
    const authority = new TestAuthority('Directory');
    const own = authority.sign({ names: 'DNS:localhost,IP:127.0.0.1', subject: '/CN=pebble' });
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const directoryCa = file('ca.pem', authority.cert);
    authority.remove();
    const config = {
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: file('cert.pem', own.cert),
        privateKey: file('key.pem', own.key),
        ...{ httpPort, tlsPort },
        ocspResponderURL: '',
        externalAccountBindingRequired: false,
      },
    };
    const output: string[] = [];
    const run = (program: string, options: readonly string[]): ChildProcess => {
      const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0' };
      const child = spawn(program, options, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (bytes) => output.push(String(bytes)));
      }
      return child;
    };
    const children = [
      run('pebble-challtestsrv', [
        ...['-dns01', `127.0.0.1:${dns}`, '-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''],
        ...['-management', `127.0.0.1:${dnsManagement}`, '-http01', '', '-https01', ''],
        ...['-tlsalpn01', ''],
      ]),
      run('pebble', [
        ...['-config', file('pebble.json', JSON.stringify(config))],
        ...['-dnsserver', `127.0.0.1:${dns}`],
      ]),
    ];
    const directory = `https://127.0.0.1:${port}/dir`;
    const pebble = new Pebble(directory, directoryCa, folder, children, output);
    await eventually('pebble listens', () => output.join('').includes('Listening on'));
    return pebble;
  }

  /** What it has said so far. */
  get said(): string {
    return this.output.join('');
  }

  /** Ends the authority; its files stay. */
  async kill(): Promise<void> {
    for (const child of this.children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGKILL');
      await ended;
    }
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
