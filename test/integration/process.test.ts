/**
 * The gateway as a process: how it starts, how it ends, and what it writes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ACCEPTOR_FORMS } from '../support/acceptor-forms.js';
import { aConfig } from '../support/configs.js';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, type LogRecord, MAIN_FILE } from '../support/gateway-process.js';
import { Load } from '../support/load.js';
import { rawExchange } from '../support/raw-exchange.js';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function anUpstream(...script: Parameters<typeof FakeUpstream.start>): Promise<FakeUpstream> {
  const upstream = await FakeUpstream.start(...script);
  cleanups.push(() => upstream.close());
  return upstream;
}

async function aGateway(...given: Parameters<typeof GatewayProcess.start>) {
  const gateway = await GatewayProcess.start(...given);
  cleanups.push(() => gateway.kill());
  return gateway;
}

/** One that is not expected to come up. */
async function failedStart(...given: Parameters<typeof GatewayProcess.spawn>) {
  const gateway = GatewayProcess.spawn(...given);
  cleanups.push(() => gateway.kill());
  await gateway.exited;
  return gateway;
}

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => resolve(false));
    socket.on('error', () => resolve(true));
    socket.on('close', () => socket.destroy());
    socket.on('connect', () => socket.destroy());
  });
}

async function aFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function ignored(gateway: GatewayProcess): readonly LogRecord[] {
  return gateway.records().filter(({ msg }) => msg.startsWith('signal ignored'));
}

/** Of one request on a connection of its own. */
async function statusOf(port: number): Promise<number> {
  const [response] = await once(get({ port, host: '127.0.0.1', agent: false }), 'response');
  response.resume();
  await once(response, 'end');
  return response.statusCode;
}

describe('SIGTERM', () => {
  it.each(ACCEPTOR_FORMS)(
    'lets requests in flight finish, takes no new ones, and ends with 0 (acceptors: %i)',
    async (acceptors) => {
      const answers: (() => void)[] = [];
      const upstream = await anUpstream((_request, response) => {
        answers.push(() => response.end('x'.repeat(100_000)));
      });
      const gateway = await aGateway(aConfig([upstream.url], { top: { workers: 2, acceptors } }));
      const replies = Array.from({ length: 40 }, async () => {
        const reply = await fetch(gateway.url);
        return { reply, body: await reply.text() };
      });
      await eventually('the target has all', () => answers.length === 40);
      gateway.child.kill('SIGTERM');
      await eventually('new connections are refused', () => isRefused(gateway.port));
      const readiness = await fetch(`${gateway.adminUrl}/readyz`);
      expect(readiness.status).toBe(503);
      expect(await readiness.json()).toEqual({ status: 'draining' });
      expect((await fetch(`${gateway.adminUrl}/healthz`)).status).toBe(200);
      for (const answer of answers) answer();
      for (const { reply, body } of await Promise.all(replies)) {
        expect(reply.status).toBe(200);
        expect(reply.headers.get('connection')).toBe('close');
        expect(body.length).toBe(100_000);
      }
      await gateway.exited;
      expect(gateway.exitCode).toBe(0);
      expect(gateway.stderr).toBe('');
      expect(gateway.find('gateway stopped')).toHaveLength(1);
      expect(gateway.find('request')).toHaveLength(40);
    },
  );

  it('drains at SIGQUIT too, and goes on at the signals that open logs again', async () => {
    const upstream = await anUpstream();
    const gateway = await aGateway(aConfig([upstream.url]));
    gateway.child.kill('SIGUSR1');
    await eventually('the first is told', () => ignored(gateway).length === 1);
    gateway.child.kill('SIGUSR2');
    await eventually('the second is told', () => ignored(gateway).length === 2);
    expect((await fetch(gateway.url)).status).toBe(200);
    gateway.child.kill('SIGQUIT');
    await gateway.exited;
    expect(gateway.exitCode).toBe(0);
    // Node.js says there that it listens for a debugger.
    expect(gateway.stderr).toBe('');
  });

  it('goes on for shutdown.delay after it says that it is not ready, closing connections', async () => {
    const upstream = await anUpstream();
    const shutdown = { delay: '1500ms', grace: '5s' };
    const gateway = await aGateway(aConfig([upstream.url], { top: { workers: 1, shutdown } }));
    const before = await fetch(gateway.url);
    expect(before.headers.get('connection')).not.toBe('close');
    gateway.child.kill('SIGTERM');
    await eventually('it is not ready', async () => {
      return (await fetch(`${gateway.adminUrl}/readyz`)).status === 503;
    });
    const during = await fetch(gateway.url);
    expect(during.status).toBe(200);
    expect(during.headers.get('connection')).toBe('close');
    const reload = await fetch(`${gateway.adminUrl}/reload`, { method: 'POST' });
    expect(reload.status).toBe(403);
    await gateway.exited;
    expect(gateway.exitCode).toBe(0);
    expect(gateway.find('gateway stopped')).toHaveLength(1);
  });

  it('cuts a request off that does not finish within shutdown.grace', async () => {
    const upstream = await anUpstream(() => {});
    const config = aConfig([upstream.url], { top: { workers: 1, shutdown: { grace: '300ms' } } });
    const gateway = await aGateway(config);
    const isCut = expect(fetch(gateway.url)).rejects.toThrow();
    await eventually('the target has it', () => upstream.headCount === 1);
    gateway.child.kill('SIGTERM');
    await isCut;
    await gateway.exited;
    expect(gateway.exitCode).toBe(0);
    expect(gateway.find('requests cut off at the deadline')).toHaveLength(1);
    expect(gateway.find('gateway stopped')).toHaveLength(1);
    expect(gateway.find('request')).toMatchObject([{ target: '/', status: 503, end: 'cut' }]);
  });

  it('given a second time, ends the process at once', async () => {
    const upstream = await anUpstream(() => {});
    const config = aConfig([upstream.url], { top: { workers: 1, shutdown: { grace: '60s' } } });
    const gateway = await aGateway(config);
    const isCut = expect(fetch(gateway.url)).rejects.toThrow();
    await eventually('the target has it', () => upstream.headCount === 1);
    gateway.child.kill('SIGTERM');
    await eventually('it drains', () => gateway.find('gateway stopping').length === 1);
    gateway.child.kill('SIGTERM');
    await gateway.exited;
    await isCut;
    expect(gateway.signal).toBeNull();
    expect(gateway.exitCode).toBe(1);
    expect(gateway.stderr).toContain('a second signal: ends at once');
  });
});

describe('a start that fails', () => {
  it('ends with 2 and tells every mistake in the configuration', async () => {
    const config = {
      ...aConfig(['http://127.0.0.1:1'], { route: { rateLimit: { limit: 0, window: '10' } } }),
      worker: 2,
    };
    const gateway = await failedStart(config);
    expect(gateway.exitCode).toBe(2);
    expect(gateway.stdout).toBe('');
    for (const word of ['worker', 'workers', 'rateLimit.limit', 'rateLimit.window']) {
      expect(gateway.stderr).toContain(word);
    }
    expect(gateway.stderr).not.toMatch(/\n\s+at /);
  });

  it.each(['listen', 'admin'])('ends with 1 and one line for a port in use (%s)', async (name) => {
    const upstream = await anUpstream();
    const config = aConfig([upstream.url], { top: { [name]: { port: upstream.port } } });
    const gateway = await failedStart(config);
    expect(gateway.exitCode).toBe(1);
    expect(gateway.stderr).toMatch(
      /^sluice: cannot listen on 127\.0\.0\.1:\d+[^\n]*in use[^\n]*\n$/,
    );
    expect(gateway.stderr).toContain(`:${upstream.port}`);
  });

  // Node shares ports from 22.12 on.
  it.each(byEngine({ wire: [], uws: ['uws'] }))(
    'shares a port only with one that wants to (%s)',
    async () => {
      const upstream = await anUpstream();
      const port = await aFreePort();
      const shared = aConfig([upstream.url], { top: { listen: { port, reusePort: true } } });
      const gateways = [await aGateway(shared), await aGateway(shared)] as const;
      const alone = await failedStart(aConfig([upstream.url], { top: { listen: { port } } }));
      expect(alone.stderr).toContain('in use');
      // A connection each: which of the two gets it is the kernel's choice.
      const statusOnce = (): Promise<number> => statusOf(port);
      for (let count = 0; count < 60; count++) expect(await statusOnce()).toBe(200);
      const counts = await Promise.all(
        gateways.map(async (one) => (await one.stats())['total_requests']),
      );
      expect(Math.min(...counts.map(Number))).toBeGreaterThan(0);
      expect(counts.map(Number).reduce((all, one) => all + one)).toBe(60);
      await gateways[0].stop();
      for (let count = 0; count < 20; count++) expect(await statusOnce()).toBe(200);
    },
  );

  it('needs no native binary', async () => {
    const upstream = await anUpstream();
    const config = aConfig([upstream.url]);
    const gateway = await aGateway(config, {
      ...{ GATEWAY_ENGINE: 'auto', GATEWAY_UWS_PATH: '/nowhere/uws.js' },
    });
    expect(await statusOf(gateway.port)).toBe(200);
    expect(gateway.find('engine chosen')).toMatchObject([
      { engine: 'wire', reason: 'nothing needs another' },
    ]);
  });

  it('ends with 1 and one sentence when the native binary is asked for and not there', async () => {
    const config = aConfig(['http://127.0.0.1:1'], { top: { listen: { port: 0, engine: 'uws' } } });
    const gateway = await failedStart(config, { GATEWAY_UWS_PATH: '/nowhere/uws.js' });
    expect(gateway.exitCode).toBe(1);
    expect(gateway.stderr).toMatch(/^sluice: cannot load [^\n]*\/nowhere\/uws\.js[^\n]*\n$/);
    expect(gateway.stderr).toContain('GATEWAY_UWS_PATH');
  });
});

describe('the demo', () => {
  it('prints commands that give what they say', async () => {
    const env = { ...process.env, GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0' };
    const child: ChildProcess = spawn(process.execPath, [MAIN_FILE], { env });
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
    cleanups.push(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await eventually('the guide is there', () => text.includes('Ctrl-C stops the demo'));
    const lines = text.split('\n');
    const urlUnder = (comment: string): string => {
      const at = lines.findIndex((line) => line.includes(comment));
      const command = lines.slice(at + 1).find((line) => line.includes('curl')) ?? '';
      return /http:\/\/\S+/.exec(command)?.[0].replace(/[;|].*$/, '') ?? '';
    };
    const token = /TOKEN=(\S+)/.exec(text)?.[1] ?? '';
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(urlUnder('# public: 200'))).status).toBe(200);
    const refused = await fetch(urlUnder('without a token: 401'));
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
    const statuses: number[] = [];
    let retryAfter: string | null = null;
    for (let count = 0; count < 6; count++) {
      const reply = await fetch(urlUnder('valid for one hour'), { headers });
      statuses.push(reply.status);
      retryAfter = reply.headers.get('retry-after');
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    const servers = new Set<string>();
    for (let count = 0; count < 3; count++) {
      const reply = await fetch(urlUnder('balanced over three servers'));
      servers.add(((await reply.json()) as { server: string }).server);
    }
    expect([...servers].sort()).toEqual(['alpha', 'beta', 'gamma']);
    const stats = await fetch(urlUnder('the counters of the gateway'));
    expect(await stats.json()).toMatchObject({ total_requests: 11 });
    child.kill('SIGINT');
    expect(await exited).toBe(0);
  });
});

describe('the log', () => {
  it.each(['pipe', 'file'])(
    'of four workers on one %s is whole lines, one record for each request',
    async (kind) => {
      const upstream = await anUpstream((_request, response) => {
        response.end('ok');
      });
      const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
      cleanups.push(async () => rmSync(folder, { recursive: true }));
      const config = aConfig([upstream.url], { top: { workers: 4 } });
      const logFile = kind === 'file' ? join(folder, 'gateway.log') : undefined;
      const gateway = await aGateway(config, {}, logFile);
      const ids: string[] = [];
      const load = new Load(`${gateway.url}/${'long/'.repeat(100)}`, 32, ({ headers }) => {
        ids.push(String(headers['x-request-id']));
      });
      await eventually('there were many', () => load.replies >= 1000);
      await load.stop();
      const refused = await rawExchange(gateway.port, ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n']);
      expect(refused.status).toBe(400);
      ids.push(/x-request-id: (\S+)/i.exec(refused.text)?.[1] ?? '');
      await gateway.stop();
      expect(gateway.exitCode).toBe(0);
      // Throws when a line is not whole.
      const records = gateway.find('request');
      const logged = records.map((record) => String(record['requestId']));
      expect([...logged].sort()).toEqual([...ids].sort());
      expect(new Set(records.map((record: LogRecord) => record.thread))).toEqual(
        new Set(['acceptor', 'worker-0', 'worker-1', 'worker-2', 'worker-3']),
      );
    },
  );

  it('holds no record of requests with accessLog: false', async () => {
    const upstream = await anUpstream();
    const top = { workers: 1, logging: { accessLog: false } };
    const gateway = await aGateway(aConfig([upstream.url], { top }));
    expect((await fetch(gateway.url)).status).toBe(200);
    await rawExchange(gateway.port, ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n']);
    await gateway.stop();
    expect(gateway.find('request')).toEqual([]);
    expect(gateway.find('gateway stopped')).toHaveLength(1);
  });

  it('that nobody reads any more does not end the gateway', async () => {
    const upstream = await anUpstream();
    const gateway = await aGateway(aConfig([upstream.url], { top: { workers: 1 } }));
    gateway.child.stdout?.destroy();
    gateway.child.stderr?.destroy();
    for (let count = 0; count < 200; count++) {
      expect((await fetch(gateway.url)).status).toBe(200);
    }
    await gateway.stop();
    expect(gateway.exitCode).toBe(0);
  });

  it('that is read late holds its threads up for a while, and none of them counts as hanging', async () => {
    const upstream = await anUpstream();
    const gateway = await aGateway(aConfig([upstream.url], { top: { workers: 1 } }));
    const threads = (): number => readdirSync(`/proc/${gateway.child.pid}/task`).length;
    gateway.child.stdout?.pause();
    // More than the pipe and its reader take between them.
    for (let count = 0; count < 600; count++) {
      await fetch(`${gateway.url}/${'x'.repeat(900)}`);
    }
    const before = threads();
    gateway.child.kill('SIGTERM');
    await eventually('the worker has ended', () => threads() < before - 1);
    gateway.child.stdout?.resume();
    await gateway.exited;
    expect(gateway.exitCode).toBe(0);
    expect(gateway.find('gateway stopped')).toHaveLength(1);
    expect(gateway.find('worker hangs')).toEqual([]);
  });
});

describe('the admin listener', () => {
  it('shows health, readiness and figures, to GET and HEAD only', async () => {
    const upstream = await anUpstream();
    const gateway = await aGateway(aConfig([upstream.url], { top: { workers: 2 } }));
    for (let count = 0; count < 5; count++) await (await fetch(gateway.url)).text();
    expect((await fetch(`${gateway.adminUrl}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${gateway.adminUrl}/readyz`)).json()).toEqual({ status: 'ready' });
    const stats = await gateway.stats();
    expect(stats).toMatchObject({
      total_requests: 5,
      total_errors: 0,
      error_rate: 0,
      circuit_breakers: { [`127.0.0.1:${upstream.port}`]: 'CLOSED' },
      in_flight: 0,
      routes: { all: { requests: 5, errors: 0 } },
      targets: [{ upstream: 'api', requests: 5, errors: 0 }],
      coordinator: { deaths: 0 },
    });
    expect(stats['workers']).toMatchObject([{ served: true, deaths: 0 }, { served: true }]);
    const head = await fetch(`${gateway.adminUrl}/stats`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
    const post = await fetch(`${gateway.adminUrl}/stats`, { method: 'POST', body: 'x' });
    expect(post.status).toBe(405);
    expect(post.headers.get('allow')).toBe('GET, HEAD');
    expect((await fetch(`${gateway.adminUrl}/nowhere`)).status).toBe(404);
  });

  it('answers while the lanes are busy', async () => {
    const upstream = await anUpstream();
    const gateway = await aGateway(aConfig([upstream.url], { top: { workers: 1 } }));
    const load = new Load(gateway.url, 32);
    await eventually('it is busy', () => load.replies > 100);
    for (let count = 0; count < 20; count++) {
      expect((await gateway.stats())['in_flight']).toBeLessThanOrEqual(32);
    }
    await load.stop();
    expect(load.others).toEqual([]);
    const { total_requests: total } = await gateway.stats();
    expect(total).toBe(load.replies);
  });
});
