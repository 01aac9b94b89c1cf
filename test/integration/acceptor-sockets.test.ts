/**
 * Several acceptors at one socket: how a thread gets a descriptor of its own, and a gateway whose
 * two acceptors serve a path and a port. Forbidden: a descriptor or a process that stays, a secret
 * that goes to the process which copies, a death that takes the socket from the others.
 */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHandle, type RawSocket } from '../../src/acceptor/net/raw-socket.js';
import { copySocket } from '../../src/acceptor/net/socket-copy.js';
import { nodeSharesPorts } from '../../src/config/machine-limits.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const MIRROR = fileURLToPath(
  new URL('../../dist/src/acceptor/net/socket-mirror.js', import.meta.url),
);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-sockets-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

const openFiles = (pid: number | string): number => readdirSync(`/proc/${pid}/fd`).length;

/** Descriptors of the process for sockets that listen. */
function listening(pid: number): number {
  const inodes = new Set<string>();
  const rows = (table: string): string[][] =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
  for (const row of rows('tcp')) if (row[3] === '0A') inodes.add(row[9] ?? '');
  for (const row of rows('unix')) if (row[3] === '00010000') inodes.add(row[6] ?? '');
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    const [, inode = ''] = /^socket:\[(\d+)\]$/.exec(targetOf(`/proc/${pid}/fd/${fd}`)) ?? [];
    return inodes.has(inode);
  }).length;
}

/** Empty: it was closed meanwhile. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}

function children(pid: number | string): string[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  const lists = threads.map((tid) => {
    const file = `/proc/${pid}/task/${tid}/children`;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  });
  return lists
    .join(' ')
    .trim()
    .split(/\s+/)
    .filter((one) => one !== '');
}

describe('a second descriptor for a socket', () => {
  let bound: RawSocket;

  beforeAll(() => {
    const made = createHandle('127.0.0.1', 0, 4);
    if (typeof made === 'number') throw new Error(`no socket: ${made}`);
    bound = made;
  });

  afterAll(() => bound.close());

  const portOf = (socket: RawSocket): number | undefined => {
    const name: { port?: number } = {};
    socket.getsockname?.(name);
    return name.port;
  };

  async function whyNot(program: string, msMax = 20_000): Promise<string> {
    const file = join(folder, 'program.cjs');
    writeFileSync(file, program);
    const failure = await copySocket(bound.fd, { program: file, msMax }).catch(String);
    return String(failure);
  }

  it('is another number for the same socket, and nothing is left of how it came', async () => {
    const before = openFiles('self');
    const copy = await copySocket(bound.fd, { program: MIRROR });
    expect(copy.fd).not.toBe(bound.fd);
    expect(portOf(copy)).toBe(portOf(bound));
    copy.close();
    await eventually('all is closed', () => openFiles('self') === before);
    await eventually('the process has ended', () => children('self').length === 0);
    expect(portOf(bound)).toBeGreaterThan(0);
  });

  it('is there for a path, too', async () => {
    const made = createHandle(join(folder, 'copied.sock'), -1, -1);
    if (typeof made === 'number') throw new Error(`no socket: ${made}`);
    const copy = await copySocket(made.fd, { program: MIRROR });
    expect(copy.fd).not.toBe(made.fd);
    for (const one of [copy, made]) one.close();
  });

  it.each([
    ['process.exit(3)', 'ended with code 3'],
    ["process.kill(process.pid, 'SIGKILL')", 'was ended by SIGKILL'],
    ["process.send({ no: 'socket' })", 'sent none'],
  ])('is refused by name when the process does: %s', async (program, why) => {
    expect(await whyNot(program)).toBe(
      `Error: the process that copies its socket ${why}; "acceptors": 1 needs none`,
    );
  });

  it('is not waited for without end where the process stands still', async () => {
    const stopped = "process.kill(process.pid, 'SIGSTOP')";
    expect(await whyNot(stopped, 500)).toContain('did not send it in time');
    await eventually('it is gone all the same', () => children('self').length === 0);
  });

  it('comes from a process that gets no secrets', async () => {
    process.env['SECRET_OF_THE_TEST'] = 'hidden';
    const file = join(folder, 'env.json');
    const names = `require('node:fs').writeFileSync('${file}', JSON.stringify(process.env))`;
    await whyNot(`${names}; process.send({})`);
    delete process.env['SECRET_OF_THE_TEST'];
    const env = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
    const own = Object.keys(env).filter((name) => !name.startsWith('NODE_CHANNEL_'));
    expect(own.filter((name) => name !== 'LD_LIBRARY_PATH')).toEqual([]);
  });
});

interface Figures {
  readonly acceptors: readonly {
    readonly serving: boolean;
    readonly deaths: number;
    readonly requests: number;
    readonly connections: { readonly open: number; readonly taken: number };
  }[];
  readonly workers: readonly { readonly deaths: number; readonly served: boolean }[];
}

describe('a gateway with two acceptors', () => {
  let upstream: FakeUpstream;
  let gateway: GatewayProcess;
  let path: string;

  const listeners = (more: readonly object[] = []): object[] => [
    { port: 0, engine: 'wire', name: 'port' },
    { unixSocket: path, name: 'path' },
    ...more,
  ];
  const configOf = (listen: readonly object[]): Record<string, unknown> =>
    aConfig([upstream.url], {
      top: { workers: 2, acceptors: 2, listen, logging: { accessLog: false } },
    });
  const stats = (): Promise<Figures> => gateway.stats<Figures>();
  const inject = async (fault: string): Promise<void> => {
    const reply = await fetch(`${gateway.adminUrl}/chaos/${fault}`, { method: 'POST' });
    expect(reply.status).toBe(202);
  };

  beforeAll(async () => {
    path = join(folder, 'web.sock');
    upstream = await FakeUpstream.start((incoming, response) => {
      incoming.resume();
      response.end('ok');
    });
    gateway = await GatewayProcess.start(configOf(listeners()), { GATEWAY_CHAOS: '1' });
  });

  afterAll(async () => {
    await gateway.stop();
    await upstream.close();
  });

  /** Over a connection of its own. 0: it was cut. */
  function ask(where: { readonly port: number } | { readonly socketPath: string }) {
    return new Promise<number>((resolve) => {
      const sent = request({ host: '127.0.0.1', agent: false, ...where }, (reply) => {
        reply.resume();
        reply.on('end', () => resolve(reply.statusCode ?? 0));
      });
      sent.on('error', () => resolve(0));
      sent.end();
    });
  }

  const askAll = (): Promise<number[]> =>
    Promise.all([ask({ port: gateway.port }), ask({ socketPath: path })]);

  it('takes connections of a path with both, and counts them by acceptor', async () => {
    await eventually('both have taken some', async () => {
      expect(await Promise.all(Array.from({ length: 8 }, () => ask({ socketPath: path })))).toEqual(
        Array(8).fill(200),
      );
      return (await stats()).acceptors.every(({ requests }) => requests > 0);
    });
    const { acceptors } = await stats();
    // One request a connection.
    for (const { requests, connections } of acceptors) expect(connections.taken).toBe(requests);
  });

  it.each(['path', 'port'])('spreads over both what comes at once to one %s', async (kind) => {
    // Under a Node.js whose sockets can share a port each acceptor has one of its own, by chance.
    const mostApart = kind === 'port' && nodeSharesPorts() ? 40 : 12;
    const where = kind === 'path' ? { path } : { host: '127.0.0.1', port: gateway.port };
    const open = async (): Promise<number[]> =>
      (await stats()).acceptors.map(({ connections }) => connections.open);
    const isAll = (counts: readonly number[], all: number): boolean =>
      counts.reduce((sum, one) => sum + one, 0) === all;
    let evenRounds = 0;
    // A machine that is busy may keep one of them from its socket for a whole round.
    for (let round = 0; round < 12 && evenRounds < 3; round++) {
      await eventually('all others are closed', async () => isAll(await open(), 0));
      const clients: Socket[] = Array.from({ length: 64 }, () => connect(where));
      for (const client of clients) client.on('error', () => {});
      await eventually('all are taken', async () => isAll(await open(), 64));
      const [one = 0, other = 0] = await open();
      for (const client of clients) client.destroy();
      if (Math.abs(one - other) <= mostApart) evenRounds += 1;
    }
    expect(evenRounds).toBe(3);
  });

  it('has its addresses again after both have died at once', async () => {
    await Promise.all([inject('acceptor/0/crash'), inject('acceptor/1/crash')]);
    await eventually('both are back', async () =>
      (await stats()).acceptors.every(({ deaths, serving }) => deaths === 1 && serving),
    );
    expect(await askAll()).toEqual([200, 200]);
  });

  it('keeps no descriptor and no process over deaths and reloads', async () => {
    const { pid } = gateway.find('gateway started')[0] as unknown as { pid: number };
    const applied = (): number => gateway.find('configuration applied').length;
    const reload = async (listen: readonly object[]): Promise<void> => {
      const before = applied();
      gateway.rewrite({ ...configOf(listen), admin: { port: 0 } });
      await eventually('it is applied', () => applied() > before);
    };
    const extra = { unixSocket: join(folder, 'extra.sock'), name: 'extra' };
    // The first round opens what is opened once.
    let first = { files: 0, sockets: 0 };
    for (let round = 0; round < 2; round++) {
      await reload(listeners([extra]));
      expect(await ask({ socketPath: extra.unixSocket })).toBe(200);
      await reload(listeners());
      await eventually('the path is gone', () => !existsSync(extra.unixSocket));
      await inject(`acceptor/${round % 2}/crash`);
      const deaths = round + 3;
      await eventually('it is back', async () => {
        const { acceptors } = await stats();
        const sum = acceptors.reduce((total, one) => total + one.deaths, 0);
        return sum === deaths && acceptors.every(({ serving }) => serving);
      });
      expect(await askAll()).toEqual([200, 200]);
      await eventually('no process is left', () => children(pid).length === 0);
      if (round === 0) first = { files: openFiles(pid), sockets: listening(pid) };
    }
    expect(first.sockets).toBeGreaterThan(4);
    expect(listening(pid)).toBe(first.sockets);
    // Connections to the target and of the admin listener come and go.
    await eventually('no more is open', () => openFiles(pid) <= first.files + 6);
  });

  it('goes on in one cell while the worker of the other one hangs', async () => {
    const before = (await stats()).workers.map(({ deaths }) => deaths);
    await inject('worker/1/hang');
    const served = async (): Promise<number> => (await stats()).acceptors[0]?.requests ?? 0;
    const start = await served();
    await eventually('the other cell has answered', async () => {
      const statuses = await Promise.all(
        Array.from({ length: 8 }, () => ask({ socketPath: path })),
      );
      // What waits in vain for the worker that hangs is refused, and never cut.
      expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
      return (await served()) > start;
    });
    await eventually('its worker is back', async () => {
      const { workers } = await stats();
      return workers[1]?.served === true && workers[1].deaths === (before[1] ?? 0) + 1;
    });
    expect(await askAll()).toEqual([200, 200]);
  });
});
