/**
 * The units in examples/: systemd accepts them, and a gateway that a socket unit starts serves the
 * connection that has started it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from '../support/client-rig.js';
import { eventually } from '../support/eventually.js';
import { MAIN_FILE } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

const lacks = (program: string): boolean => spawnSync(program, ['--version']).error !== undefined;
const MISSING = ['systemd-socket-activate', 'systemd-analyze'].some(lacks)
  ? 'the programs systemd-socket-activate and systemd-analyze (Debian: systemd)'
  : '';

let folder: string;
let child: ChildProcess | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-activation-'));
});

afterEach(async () => {
  if (child !== null && child.exitCode === null) {
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    await closed;
  }
  child = null;
  rmSync(folder, { recursive: true });
});

/** Key of a unit, which stands there once. */
function keyOf(unit: string, key: string): string {
  const text = readFileSync(join(EXAMPLES, unit), 'utf8');
  return new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '';
}

function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path: '/hello', agent: false }, (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      reply.on('end', () => resolve(text));
    });
    sent.on('error', reject).end();
  });
}

describeUnless(MISSING, 'the units of systemd', () => {
  it('are accepted by systemd', () => {
    const service = readFileSync(join(EXAMPLES, 'sluice.service'), 'utf8')
      .replaceAll('/usr/bin/node', process.execPath)
      .replaceAll('/opt/sluice/dist/src/main.js', MAIN_FILE);
    writeFileSync(join(folder, 'sluice.service'), service);
    cpSync(join(EXAMPLES, 'sluice.socket'), join(folder, 'sluice.socket'));
    const units = ['sluice.service', 'sluice.socket'].map((name) => join(folder, name));
    const checked = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
      encoding: 'utf8',
    });
    const about = checked.stderr.split('\n').filter((line) => line.includes('sluice'));
    expect(about).toEqual([]);
  });

  it('belong together', () => {
    expect(keyOf('sluice.socket', 'Service')).toBe('sluice.service');
    const text = readFileSync(join(EXAMPLES, 'sluice.socket'), 'utf8');
    expect(text).toContain(`systemdSocket: ${keyOf('sluice.socket', 'FileDescriptorName')} }`);
  });

  it('start a gateway by a connection, which it serves', async () => {
    const port = await freePort();
    const name = keyOf('sluice.socket', 'FileDescriptorName');
    const file = join(folder, 'sluice.json');
    const config = {
      listen: { systemdSocket: name },
      ...{ admin: { port: 0 }, workers: 1 },
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
      routes: [{ name: 'all', match: { path: '/*' }, respond: { body: 'hello' } }],
    };
    writeFileSync(file, JSON.stringify(config));
    const words = [`--listen=127.0.0.1:${port}`, `--fdname=${name}`, '--'];
    child = spawn(
      'systemd-socket-activate',
      [...words, process.execPath, MAIN_FILE, 'run', '-c', file],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
      });
    }
    await eventually('systemd listens', () => /Listening on/.test(printed));
    expect(printed).not.toContain('gateway started');
    // The first connection waits until the gateway has started.
    expect(await ask(port)).toBe('hello');
    await eventually('the log says so', () => printed.includes('gateway started'));
    expect(await ask(port)).toBe('hello');
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
  });
});
