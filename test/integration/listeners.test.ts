/** Several listeners, and how they come, change and go while the gateway serves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess, MAIN_FILE } from '../support/gateway-process.js';

const TOKEN = 'a-token-for-tests-of-the-admin-listener';
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Listener = Readonly<Record<string, unknown>>;

function aConfig(listen: readonly Listener[], top: object = {}): Record<string, unknown> {
  const route = (name: string, more: object) => ({
    name,
    match: { path: '/*', ...more },
    respond: { status: 200, body: name },
  });
  return {
    listen,
    admin: { port: 0, token: TOKEN },
    workers: 1,
    reload: { watch: false },
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    routes: [route('everywhere', {}), route('inside', { listener: 'inside' })],
    ...top,
  };
}

async function aGateway(config: Record<string, unknown>): Promise<GatewayProcess> {
  // A route asks for a listener that a test may take away.
  const gateway = await GatewayProcess.start(config);
  cleanups.push(() => gateway.kill());
  return gateway;
}

async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = Array.from({ length: count }, () => createServer());
  const ports = servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
      }),
  );
  const found = await Promise.all(ports);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return found;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly closes: boolean;
}

/** What is answered there; or the code of the error. */
function ask(to: object, agent?: Agent): Promise<Answer | string> {
  return new Promise((resolve) => {
    const sent = request({ path: '/x', agent: agent ?? false, ...to }, (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      const closes = reply.headers.connection === 'close';
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text, closes }));
    });
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end();
  });
}

const at = (port: number) => ({ host: '127.0.0.1', port });
const textOf = (answer: Answer | string): string =>
  typeof answer === 'string' ? answer : answer.text;

async function reload(gateway: GatewayProcess, config: Record<string, unknown>) {
  gateway.rewrite(config);
  return gateway.post('/reload', TOKEN);
}

describe.each(['wire', 'uws'])('listeners of the engine %s', (engine) => {
  it('come, change and go, and nobody else notices', async () => {
    const [one = 0, two = 0, three = 0] = await freePorts(3);
    const main = { name: 'main', port: one, engine };
    const inside = { name: 'inside', port: two, engine };
    const gateway = await aGateway(aConfig([main, inside]));
    expect(textOf(await ask(at(one)))).toBe('everywhere');
    expect(textOf(await ask(at(two)))).toBe('inside');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => agent.destroy());
    expect(await ask(at(one), agent)).toMatchObject({ status: 200 });
    const left = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => left.destroy());
    await ask(at(two), left);

    const moved = { ...inside, port: three };
    expect(await reload(gateway, aConfig([main, moved]))).toMatchObject({ status: 200 });
    expect(textOf(await ask(at(three)))).toBe('inside');
    expect(await ask(at(two))).toBe('ECONNREFUSED');
    expect(await ask(at(one), agent)).toMatchObject({ status: 200, closes: false });
    // It was kept open: it drains, or was closed while it was idle.
    const last = await ask(at(two), left);
    if (typeof last !== 'string') expect(last.closes).toBe(true);
  });

  it('of which one cannot be had change nothing, and the reason is told', async () => {
    const [one = 0, two = 0] = await freePorts(2);
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    cleanups.push(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const main = { name: 'main', port: one, engine };
    const inside = { name: 'inside', port: two, engine };
    const gateway = await aGateway(aConfig([main, inside]));
    const bad = { name: 'bad', port, engine };
    const added = { name: 'added', port: 0, engine };
    const answer = await reload(gateway, aConfig([inside, added, bad]));
    expect(answer.status).toBe(409);
    expect(answer.body.reasons?.join()).toContain(`cannot listen on 127.0.0.1:${port}`);
    expect(textOf(await ask(at(one)))).toBe('everywhere');
    expect(textOf(await ask(at(two)))).toBe('inside');
  });
});

it('a Unix socket is a listener', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const socketPath = join(folder, 'a.sock');
  const inside = { name: 'inside', unixSocket: socketPath };
  await aGateway(aConfig([{ port: 0 }, inside]));
  expect(textOf(await ask({ socketPath, headers: { host: 'a.test' } }))).toBe('inside');
});

it('a listener sends everybody to https', async () => {
  const [one = 0, two = 0] = await freePorts(2);
  const plain = { port: one, redirectToHttps: { port: 8443 } };
  await aGateway(aConfig([plain, { name: 'inside', port: two }]));
  expect(await ask(at(one))).toMatchObject({ status: 308 });
  expect(await ask(at(two))).toMatchObject({ status: 200 });
});

it('a socket of systemd is a listener, and another name is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sluice.json');
  // This process listens on the socket as well, and takes some of the connections.
  const bound = createServer((socket) => socket.destroy());
  await new Promise<void>((done) => bound.listen(0, '127.0.0.1', done));
  cleanups.push(() => bound.close());
  const { port } = bound.address() as AddressInfo;
  const { fd } = (bound as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const run = (name: string): ChildProcess => {
    writeFileSync(file, JSON.stringify(aConfig([{ name: 'inside', systemdSocket: name }])));
    // The process has the same id before and after exec.
    const script = `LISTEN_PID=$$ exec "$0" "$1" run -c "$2"`;
    const child = spawn('sh', ['-c', script, process.execPath, MAIN_FILE, file], {
      env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'web' },
      stdio: ['ignore', 'pipe', 'pipe', fd],
    });
    const exited = new Promise<void>((done) => child.on('close', () => done()));
    cleanups.push(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    return child;
  };
  const texts = { out: '', err: '' };
  const right = run('web');
  right.stdout?.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text;
  });
  await eventually('it serves', () => texts.out.includes('gateway started'));
  await eventually('it answers', async () => textOf(await ask(at(port))) === 'inside');
  const wrong = run('other');
  wrong.stderr?.setEncoding('utf8').on('data', (text: string) => {
    texts.err += text;
  });
  await eventually('it says why', () => texts.err.includes('is called "other": there are web'));
});
