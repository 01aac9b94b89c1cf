/** Sockets for several acceptors: what is bound, what is refused, and that nothing stays open. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ListenerAddress } from '../../../src/base/listener-address.js';
import { StartupError } from '../../../src/base/startup-error.js';
import type { ListenerSettings } from '../../../src/config/listener-settings.js';
import { SharedSockets } from '../../../src/supervisor/shared-sockets.js';
import { freePort } from '../../support/client-rig.js';
import { A_LISTENER } from '../../support/listener-settings.js';

let sockets: SharedSockets;
let folder: string;
const servers: Server[] = [];

beforeEach(() => {
  sockets = new SharedSockets();
  folder = mkdtempSync(join(tmpdir(), 'sluice-sockets-'));
});

afterEach(() => {
  sockets.close();
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

const at = (address: ListenerAddress, name = 'web'): ListenerSettings => ({
  ...A_LISTENER,
  name,
  address,
});
const tcp = (port: number, host = '127.0.0.1'): ListenerSettings =>
  at({ kind: 'tcp', host, port, reusePort: false }, `${host} ${port}`);
const openFiles = (): number => readdirSync('/proc/self/fd').length;

async function listening(where: { readonly port: number } | { readonly path: string }) {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen({ host: '127.0.0.1', ...where }, resolve);
  });
}

async function refusalOf(listener: ListenerSettings): Promise<string> {
  const error: unknown = await sockets.open([listener]).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StartupError);
  return (error as Error).message;
}

describe('a shared socket', () => {
  it('is bound once, and is the same for the same address', async () => {
    const port = await freePort();
    await sockets.open([tcp(port)]);
    const descriptor = sockets.descriptorOf(tcp(port));
    await sockets.open([tcp(port), tcp(await freePort())]);
    expect(descriptor).toBeGreaterThan(2);
    expect(sockets.descriptorOf(tcp(port))).toBe(descriptor);
  });

  it.each(['::1', '::', '0.0.0.0', 'localhost'])('may be bound to %s', async (host) => {
    await sockets.open([tcp(await freePort(), host)]);
  });

  it('takes nothing by itself: nobody listens yet', async () => {
    const port = await freePort();
    await sockets.open([tcp(port)]);
    const outcome = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve('connected'));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    expect(outcome).toBe('ECONNREFUSED');
  });

  it('is refused where somebody listens', async () => {
    const port = await freePort();
    await listening({ port });
    const text = `cannot listen on 127.0.0.1:${port}: the address is in use`;
    expect(await refusalOf(tcp(port))).toBe(text);
  });

  it('is refused where this machine cannot be', async () => {
    expect(await refusalOf(tcp(8080, '192.0.2.1'))).toBe(
      'cannot listen on 192.0.2.1:8080: this machine does not have the address',
    );
    expect(await refusalOf(tcp(8080, 'nowhere.invalid'))).toMatch(
      /^cannot listen on nowhere\.invalid:8080: the name (has no address|cannot be looked up)$/,
    );
    expect(await refusalOf(at({ kind: 'inherited', name: 'web' }))).toContain(
      'no sockets were handed to this process for "web"',
    );
    expect(await refusalOf(at({ kind: 'unix', path: join(folder, 'no', 'x') }))).toMatch(
      /\/no\/x: its folder does not exist, or may not be written to$/,
    );
  });

  /** A process has bound the path, and did not end in order. */
  function leaveBehind(path: string): void {
    const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () =>
      process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', program]);
    expect(readdirSync(folder)).toEqual(['web.sock']);
  }

  it('is there for a path that a dead process has left behind, and goes at the end', async () => {
    const path = join(folder, 'web.sock');
    leaveBehind(path);
    await sockets.open([at({ kind: 'unix', path })]);
    expect(readdirSync(folder)).toEqual(['web.sock']);
    sockets.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is not there for a path that somebody has bound, and not begun to listen at', async () => {
    const path = join(folder, 'web.sock');
    const first = new SharedSockets();
    await first.open([at({ kind: 'unix', path })]);
    const text = `cannot listen on unix:${path}: the address is in use, or a file that is no socket has its name`;
    expect(await refusalOf(at({ kind: 'unix', path }))).toBe(text);
    expect(readdirSync(folder)).toEqual(['web.sock']);
    first.close();
  });

  it('goes to one of many that find it abandoned at the same time', async () => {
    const path = join(folder, 'web.sock');
    for (let round = 0; round < 5; round++) {
      leaveBehind(path);
      const all = Array.from({ length: 8 }, () => new SharedSockets());
      const listener = at({ kind: 'unix', path });
      const outcomes = await Promise.allSettled(all.map((one) => one.open([listener])));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(readdirSync(folder)).toEqual(['web.sock']);
      for (const one of all) one.close();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it('is not there for a path at which somebody listens', async () => {
    const path = join(folder, 'web.sock');
    await listening({ path });
    const text = `cannot listen on unix:${path}: the address is in use, or a file that is no socket has its name`;
    expect(await refusalOf(at({ kind: 'unix', path }))).toBe(text);
  });

  it('closes when it is no longer needed, or when another one cannot be had', async () => {
    const [kept, dropped, taken] = [await freePort(), await freePort(), await freePort()];
    await listening({ port: taken });
    await sockets.open([tcp(kept)]);
    const before = openFiles();
    await sockets.open([tcp(kept), tcp(dropped)]);
    expect(openFiles()).toBe(before + 1);
    await sockets.open([tcp(await freePort()), tcp(taken)]).catch(() => {});
    sockets.keepOnly([tcp(kept)]);
    await new Promise(setImmediate);
    expect(openFiles()).toBe(before);
    expect(sockets.descriptorOf(tcp(dropped))).toBeUndefined();
  });
});
