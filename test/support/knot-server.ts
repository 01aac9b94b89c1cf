/**
 * A real Knot DNS for tests: one zone, `svc.test`, on a free port, changed while it runs.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.js';
import { freePorts } from './pebble.js';

/** What a machine without Knot lacks; '': nothing. */
export const NO_KNOT =
  spawnSync('knotd', ['--version']).status === 0 ? '' : 'there is no knotd (package knot)';

export class KnotServer {
  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {}

  /** Resolves when it answers. `records`: lines of the zone. */
  static async start(records: readonly string[]): Promise<KnotServer> {
    const [port = 0] = await freePorts(1);
    const folder = mkdtempSync(join(tmpdir(), 'sluice-knot-'));
    mkdirSync(join(folder, 'zones'));
    const zone = [
      '$ORIGIN svc.test.',
      '@ 60 IN SOA ns.svc.test. admin.svc.test. 1 3600 600 86400 7',
      '@ 60 IN NS ns.svc.test.',
      'ns 60 IN A 127.0.0.1',
      ...records,
    ];
    writeFileSync(join(folder, 'zones', 'svc.test.zone'), `${zone.join('\n')}\n`);
    const config = [
      'server:',
      `  listen: 127.0.0.1@${port}`,
      `  rundir: ${folder}`,
      '  udp-workers: 1',
      '  tcp-workers: 1',
      '  background-workers: 1',
      'control:',
      `  listen: ${folder}/knot.sock`,
      'database:',
      `  storage: ${folder}`,
      'template:',
      '  - id: default',
      `    storage: ${folder}/zones`,
      '    zonefile-sync: -1',
      '    journal-content: all',
      'zone:',
      '  - domain: svc.test',
    ];
    const file = join(folder, 'knot.conf');
    writeFileSync(file, `${config.join('\n')}\n`);
    const child = spawn('knotd', ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        said += text;
      });
    }
    const server = new KnotServer(port, folder, child);
    await eventually('knotd has loaded the zone', async () => {
      if (child.exitCode !== null) throw new Error(`knotd ended: ${said}`);
      return server.control('zone-read', 'svc.test.', '@', 'SOA').then(
        () => true,
        () => false,
      );
    });
    return server;
  }

  /** Changes the zone in one transaction: orders of knotc after the zone's name. */
  async change(...orders: readonly (readonly string[])[]): Promise<void> {
    await this.control('zone-begin', 'svc.test.');
    for (const [order = '', ...rest] of orders) await this.control(order, 'svc.test.', ...rest);
    await this.control('zone-commit', 'svc.test.');
  }

  private async control(...args: readonly string[]): Promise<void> {
    await promisify(execFile)('knotc', ['-s', join(this.folder, 'knot.sock'), ...args]);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const closed = new Promise((resolve) => this.child.once('close', resolve));
      this.child.kill('SIGTERM');
      await closed;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
