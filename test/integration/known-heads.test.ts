/**
 * Clients that send the same heads over and over, on connections side by side: each gets what its
 * own head asks for, whichever worker has it, while workers die and configurations change.
 */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { GatewayConfig } from '../../src/index.js';
import { below, seeded } from '../fuzz/mutations.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';

const CONNECTIONS = 8;
const ROUNDS = 8;
/** Requests of a connection that are sent at once. */
const BURST = 6;

interface Echo {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

let upstream: FakeUpstream;
let gateway: InProcessGateway;

function configuration(version: string): GatewayConfig {
  return {
    listen: { port: 0, engine: 'wire' },
    admin: { port: 0 },
    logging: { level: 'silent', accessLog: false },
    workers: 2,
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      {
        name: 'versioned',
        match: { path: '/versioned/*' },
        upstream: 'api',
        rewrite: { stripPrefix: '/versioned', headers: { set: { 'x-version': version } } },
      },
      { name: 'plain', match: { path: '/*' }, upstream: 'api' },
    ],
  };
}

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  gateway = await InProcessGateway.start({ ...configuration('one') });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

/** One connection; its heads are all of one length, and of the same length as those of others. */
class Client {
  private text = '';
  private socket: Socket | null = null;

  constructor(private readonly name: number) {}

  private open(): Socket {
    const socket = connect({ port: gateway.port, host: '127.0.0.1' });
    socket.setEncoding('latin1').on('data', (piece: string) => {
      this.text += piece;
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        if (this.socket === socket) this.socket = null;
      });
    return socket;
  }

  /** What the target saw of each of these, in their order; null: another answered, or nobody. */
  async ask(urls: readonly string[]): Promise<(Echo | null)[]> {
    this.text = '';
    this.socket ??= this.open();
    const heads = urls.map((url) => {
      const padding = 'p'.repeat(200);
      return `GET ${url} HTTP/1.1\r\nHost: h\r\nCookie: who=${this.name}\r\nX-P: ${padding}\r\n\r\n`;
    });
    this.socket.write(heads.join(''));
    const replies: (Echo | null)[] = [];
    await eventually('every request has its reply, or the connection is closed', () => {
      for (let reply = this.take(); reply !== undefined; reply = this.take()) replies.push(reply);
      return replies.length === urls.length || this.socket === null;
    });
    return replies;
  }

  private take(): Echo | null | undefined {
    const end = this.text.indexOf('\r\n\r\n') + 4;
    const length = Number(/^content-length: (\d+)/im.exec(this.text.slice(0, end))?.[1] ?? -1);
    if (end < 4 || this.text.length < end + length) return undefined;
    const isEcho = this.text.startsWith('HTTP/1.1 200 ');
    const body = this.text.slice(end, end + length);
    this.text = this.text.slice(end + length);
    return isEcho ? (JSON.parse(body) as Echo) : null;
  }

  close(): void {
    this.socket?.destroy();
  }
}

const ids = new Set<string>();

/** Each connection sends its heads again and again; `version`: of all requests that begin now. */
async function askAll(clients: readonly Client[], seed: number, version: string): Promise<number> {
  const random = seeded(seed);
  let answered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const asked = clients.map(async (client, name) => {
      const other = below(random, 3);
      const urls = Array.from({ length: BURST }, (_, at) => {
        const last = at < BURST - 1 ? 0 : other;
        return `${last === 1 ? '/versioned' : '/unchanged'}/${name}?${last}`;
      });
      const echoes = await client.ask(urls);
      for (const [at, echo] of echoes.entries()) {
        if (echo === null) continue;
        answered += 1;
        const isVersioned = urls[at]?.startsWith('/versioned') === true;
        expect(echo.url).toBe(isVersioned ? urls[at]?.slice('/versioned'.length) : urls[at]);
        expect(echo.headers['cookie']).toBe(`who=${name}`);
        expect(echo.headers['x-version']).toBe(isVersioned ? version : undefined);
        expect(ids.has(echo.headers['x-request-id'] ?? '')).toBe(false);
        ids.add(echo.headers['x-request-id'] ?? '');
      }
    });
    await Promise.all(asked);
  }
  return answered;
}

it('says to the target what the client has sent, and under which configuration', async () => {
  const clients = Array.from({ length: CONNECTIONS }, (_, name) => new Client(name));
  const all = CONNECTIONS * ROUNDS * BURST;
  expect(await askAll(clients, 1, 'one')).toBe(all);
  // What a dead worker had begun may be refused; what is answered is right.
  const [answered] = await Promise.all([
    askAll(clients, 2, 'one'),
    gateway.gateway.supervisor.laneAt(1).kill(),
  ]);
  expect(answered).toBeGreaterThan(0);
  await eventually('both lanes are served', async () => {
    return (await gateway.stats()).workers.every(({ served }) => served);
  });
  const result = await gateway.gateway.apply(configuration('two'));
  expect(result).toMatchObject({ outcome: 'applied' });
  expect(await askAll(clients, 3, 'two')).toBe(all);
  for (const client of clients) client.close();
});
