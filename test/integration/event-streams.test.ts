/**
 * Event streams through a whole gateway: what real sockets and a browser see of them, and when.
 */
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { ClientFiles } from '../support/client-files.js';
import { freePort } from '../support/client-rig.js';
import { JWT_SECRET } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { signHs256 } from '../support/hs256-token.js';

const EVENTS = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
const DOORS = ['plain', 'tls'] as const;
type Door = (typeof DOORS)[number];

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let files: ClientFiles;
let ports: Readonly<Record<Door, number>>;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  files = new ClientFiles();
  ports = { plain: await freePort(), tls: await freePort() };
  gateway = await GatewayProcess.start({
    workers: 1,
    listen: [
      { name: 'plain', port: ports.plain, engine: 'wire' },
      { name: 'tls', port: ports.tls, engine: 'wire', tls: { certificates: [files.pair] } },
    ],
    authenticators: {
      users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET, clockSkew: '0s' },
    },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      { name: 'beating', match: { path: '/beating' }, upstream: 'api', sse: { heartbeat: '1s' } },
      { name: 'quiet', match: { path: '/quiet' }, upstream: 'api', sse: { idle: '1s' } },
      { name: 'mine', match: { path: '/mine' }, upstream: 'api', authenticate: ['users'] },
      {
        name: 'all',
        match: { path: '/*' },
        upstream: 'api',
        rewriteReply: { headers: { set: { 'x-door': 'sluice' } }, body: { set: { '/a': 1 } } },
      },
    ],
  });
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
  files.remove();
});

/** The streams that the target was asked for. */
const streams: ServerResponse[] = [];

beforeEach(() => {
  streams.length = 0;
  upstream.script = (_, response) => {
    streams.push(response);
    response.writeHead(200, EVENTS);
    response.flushHeaders();
  };
});

/** A client of the stream on a socket of its own, that reads as soon as something comes. */
class RawClient {
  text = '';
  isClosed = false;
  private readonly socket: Socket;

  constructor(door: Door, path: string, fields: readonly string[] = []) {
    const port = ports[door];
    this.socket =
      door === 'plain'
        ? connect(port, '127.0.0.1')
        : connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    this.socket.setEncoding('latin1').setNoDelay(true);
    this.socket.on('data', (text: string) => {
      this.text += text;
    });
    this.socket
      .on('error', () => {})
      .on('close', () => {
        this.isClosed = true;
      });
    const lines = [`GET ${path} HTTP/1.1`, 'Host: gateway.test', ...fields, '', ''];
    this.socket.write(lines.join('\r\n'));
  }

  /** The body so far, without the lines that frame it: none of these events has a CRLF. */
  get body(): string {
    const [, ...chunks] = this.text.split(/\r\n\r\n/);
    return chunks
      .join('\r\n\r\n')
      .split('\r\n')
      .filter((_, at) => at % 2 === 1)
      .join('');
  }

  async has(text: string): Promise<void> {
    await eventually(`the client reads ${JSON.stringify(text)}`, () => this.text.includes(text));
  }

  close(): void {
    this.socket.destroy();
  }
}

async function streamAtTarget(): Promise<ServerResponse> {
  await eventually('the target is asked', () => streams.length > 0);
  const [stream] = streams;
  if (stream === undefined) throw new Error('no stream');
  return stream;
}

async function statsOf(route: string): Promise<{ open: number; opened: number }> {
  const stats = (await (await fetch(`${gateway.adminUrl}/stats`)).json()) as {
    routes: Record<string, { event_streams: { open: number; opened: number } }>;
  };
  return stats.routes[route]?.event_streams ?? { open: -1, opened: -1 };
}

describe.each(DOORS)('an event stream, %s', (door) => {
  it('brings its head before any event, and each event before the next is made', async () => {
    const client = new RawClient(door, '/any');
    const stream = await streamAtTarget();
    await client.has('\r\n\r\n');
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(client.text.toLowerCase()).toContain('x-door: sluice');
    // The target makes an event only when the client has read the one before.
    for (let at = 0; at < 50; at++) {
      stream.write(`id: ${at}\ndata: event ${at}\n\n`);
      await client.has(`data: event ${at}\n\n`);
    }
    stream.end();
    await client.has('0\r\n\r\n');
    client.close();
  });

  it('is counted while it is open', async () => {
    const before = await statsOf('all');
    const clients = [1, 2, 3].map(() => new RawClient(door, '/counted'));
    await Promise.all(clients.map((client) => client.has('\r\n\r\n')));
    expect(await statsOf('all')).toEqual({ open: 3, opened: before.opened + 3 });
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('gateway_event_streams_open{route="all"} 3');
    expect(metrics).toContain(`gateway_event_streams_total{route="all"} ${before.opened + 3}`);
    for (const stream of streams) stream.end();
    await eventually('none is open', async () => (await statsOf('all')).open === 0);
    for (const client of clients) client.close();
  });
});

describe('an event stream', () => {
  it('has a heartbeat between its events, and what the target says unchanged', async () => {
    const client = new RawClient('plain', '/beating');
    const stream = await streamAtTarget();
    await client.has(':\n\n');
    stream.write('retry: 7\n\n: its own\n\ndata: half');
    await client.has('data: half');
    stream.write(' whole\n\n');
    stream.end();
    await client.has('0\r\n\r\n');
    expect(client.body.replace(/^(:\n\n)+/, '')).toMatch(
      /^retry: 7\n\n: its own\n\ndata: half whole\n\n/,
    );
    client.close();
  });

  it('ends as a whole reply when its target is silent for too long', async () => {
    const client = new RawClient('plain', '/quiet');
    await streamAtTarget();
    await client.has('0\r\n\r\n');
    client.close();
    await eventually('the record is there', () =>
      gateway.find('request').some(({ route, cause, end }) => {
        return route === 'quiet' && end === 'complete' && /silent for too long/.test(String(cause));
      }),
    );
  });

  it('ends when the token that opened it does', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const token = signHs256({ sub: 'alice', exp });
    const client = new RawClient('plain', '/mine', [`Authorization: Bearer ${token}`]);
    const stream = await streamAtTarget();
    stream.write('data: mine\n\n');
    await client.has('data: mine\n\n');
    await client.has('0\r\n\r\n');
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
    client.close();
    const again = new RawClient('plain', '/mine', [`Authorization: Bearer ${token}`]);
    await again.has('401');
    again.close();
    await eventually('the record is there', () =>
      gateway.find('request').some(({ route, cause, consumer }) => {
        return route === 'mine' && consumer === 'alice' && /credentials/.test(String(cause));
      }),
    );
  });
});

describe('a browser', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchBrowser([`--ignore-certificate-errors-spki-list=${files.keyHash}`]);
  });

  afterAll(async () => {
    await browser.close();
  });

  it.each(DOORS)(
    'gets events as they are made, and comes back with the last id, %s',
    async (door) => {
      const seen: (string | undefined)[] = [];
      let stream: ServerResponse | null = null;
      upstream.script = (request, response) => {
        const { url, headers } = request;
        if (url === '/page') {
          response.writeHead(200, { 'content-type': 'text/html' });
          response.end('<!doctype html><title>page</title>');
        } else if (url === '/next') {
          stream?.write('id: 7\ndata: second\n\n');
          stream?.end();
          response.end();
        } else if (url !== '/beating') {
          response.writeHead(404).end();
        } else {
          seen.push(headers['last-event-id']?.toString());
          response.writeHead(200, EVENTS);
          response.write(seen.length === 1 ? 'retry: 10\n\ndata: first\n\n' : 'data: third\n\n');
          stream = response;
        }
      };
      const page = await browser.newPage();
      try {
        await page.goto(`${door === 'tls' ? 'https' : 'http'}://127.0.0.1:${ports[door]}/page`);
        // A slow browser sees comments in between, and takes no notice of them.
        const events = await page.evaluate(`new Promise((resolve) => {
        const events = new EventSource('/beating');
        const got = [];
        events.onmessage = ({ data }) => {
          got.push(data);
          if (data === 'first') fetch('/next');
          if (data === 'third') { events.close(); resolve(got); }
        };
      })`);
        expect(events).toEqual(['first', 'second', 'third']);
        // Browsers speak HTTP/2 wherever there is TLS.
        const spoken = await page.evaluate(
          'performance.getEntriesByType("resource").map(({ nextHopProtocol: one }) => one)',
        );
        expect(new Set(spoken as string[])).toEqual(new Set([door === 'tls' ? 'h2' : 'http/1.1']));
        expect(seen).toEqual([undefined, '7']);
      } finally {
        await page.close();
      }
    },
  );
});
