/** Targets over HTTP/2 behind a whole gateway, in clear text and over TLS, with real servers. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer as createSecureHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { makeCertificate } from '../support/test-certificate.js';

const certificate = makeCertificate();

/** A target over HTTP/2, and what it has been asked. */
class Http2Target {
  readonly heads: IncomingHttpHeaders[] = [];
  readonly sessions = new Set<ServerHttp2Session>();
  probes = 0;
  port = 0;

  constructor(private readonly server: Http2Server) {
    server.on('session', (session) => {
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session));
    });
    server.on('stream', (stream, headers) => this.onStream(stream, headers));
  }

  async start(): Promise<void> {
    this.port = await listen(this.server as unknown as Server);
  }

  private onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (headers[':path'] === '/health') {
      this.probes++;
      stream.respond({ ':status': 200 });
      stream.end('fine');
      return;
    }
    this.heads.push(headers);
    stream.on('error', () => {});
    if (headers[':method'] === 'CONNECT') {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
      return;
    }
    if (headers[':path'] === '/leaving' && this.heads.length % 10 === 0) {
      // As a server does whose connections have an age.
      stream.session?.close();
    }
    if (headers[':path'] === '/cut') {
      stream.respond({ ':status': 200 });
      stream.write('begun', () => stream.destroy(new Error('broken')));
      return;
    }
    if (headers[':path'] === '/trailers')
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
    stream.respond(
      { ':status': 200, 'x-method': headers[':method'], 'content-type': 'text/plain' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '5' }));
    stream.pipe(stream);
    if (headers[':method'] === 'GET') stream.end('hello');
  }

  stop(): void {
    for (const session of this.sessions) session.destroy();
    this.server.close();
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const clear = new Http2Target(createHttp2Server({ settings: { enableConnectProtocol: true } }));
const secure = new Http2Target(
  createSecureHttp2Server({ ...certificate }) as unknown as Http2Server,
);
const tunnelling = new Http2Target(
  createSecureHttp2Server({
    ...certificate,
    settings: { enableConnectProtocol: true },
  }) as unknown as Http2Server,
);
const eitherServer = createSecureHttp2Server({ ...certificate, allowHTTP1: true });
const either = new Http2Target(eitherServer as unknown as Http2Server);
eitherServer.on('upgrade', openByUpgrade);
function openByUpgrade(_request: IncomingMessage, socket: Socket): void {
  const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on('error', () => {}).pipe(socket);
}
const old = createSecureServer({ ...certificate }, (request, reply) => {
  reply.setHeader('x-version', request.httpVersion);
  request.resume().on('end', () => reply.end('old'));
});
old.on('upgrade', openByUpgrade);
let gateway: GatewayProcess;
let config: Record<string, unknown> & { readonly upstreams: Record<string, object> };

beforeAll(async () => {
  for (const target of [clear, secure, either, tunnelling]) await target.start();
  const oldPort = await listen(old);
  const tls = { ca: certificate.cert };
  const healthCheck = { type: 'http', path: '/health', interval: '200ms' };
  const upstream = (url: string, protocol: string, more: object = {}) => ({
    ...{ targets: [{ url }], protocol, preserveHost: true, ...more },
  });
  config = {
    listen: { port: 0, engine: 'wire', chunkedRequests: 'allow' },
    workers: 1,
    logging: { accessLog: false },
    via: 'both',
    upstreams: {
      h2c: upstream(`http://127.0.0.1:${clear.port}`, 'h2c', { healthCheck }),
      h2: upstream(`https://127.0.0.1:${secure.port}`, 'h2', { tls, healthCheck }),
      auto: upstream(`https://127.0.0.1:${either.port}`, 'auto', { tls, healthCheck }),
      old: upstream(`https://127.0.0.1:${oldPort}`, 'auto', { tls }),
      tunnels: upstream(`https://127.0.0.1:${tunnelling.port}`, 'h2', { tls }),
      wss: upstream(`https://127.0.0.1:${oldPort}`, 'http1', { tls }),
      wrong: upstream(`https://127.0.0.1:${oldPort}`, 'h2', { tls }),
      http1: upstream(`http://127.0.0.1:${clear.port}`, 'http1'),
    },
    routes: ['h2c', 'h2', 'auto', 'old', 'tunnels', 'wss', 'wrong', 'http1'].map((name) => ({
      ...{
        name,
        match: { path: `/${name}/*` },
        rewrite: { stripPrefix: `/${name}` },
        upstream: name,
      },
    })),
  };
  gateway = await GatewayProcess.start(config);
});

afterAll(async () => {
  await gateway.stop();
  for (const target of [clear, secure, either, tunnelling]) target.stop();
  old.close();
});

beforeEach(() => {
  for (const target of [clear, secure, either, tunnelling]) target.heads.length = 0;
});

describe.each([
  ['h2c', clear, 'http'],
  ['h2', secure, 'https'],
  ['auto', either, 'https'],
] as const)('a target with protocol %s', (name, target, scheme) => {
  it('gets a request as HTTP/2 has it', async () => {
    const reply = await fetch(`${gateway.url}/${name}/a?b=c`, {
      headers: { 'x-a': 'b', te: 'trailers', cookie: 'a=b; c=d' },
    });
    expect([reply.status, await reply.text()]).toEqual([200, 'hello']);
    expect(reply.headers.get('via')).toMatch(/^2 /);
    const [head = {}] = target.heads;
    expect(head).toMatchObject({
      ':method': 'GET',
      ':path': '/a?b=c',
      ':scheme': scheme,
      ':authority': new URL(gateway.url).host,
      'x-a': 'b',
      te: 'trailers',
      cookie: 'a=b; c=d',
      'x-forwarded-proto': 'http',
      'x-forwarded-for': '127.0.0.1',
    });
    expect(head.via).toMatch(/^1\.1 /);
    for (const field of ['connection', 'host', 'keep-alive', 'transfer-encoding']) {
      expect(head[field]).toBeUndefined();
    }
  });

  it('gets a body, and its trailers and interim heads reach the client', async () => {
    const request =
      `POST /${name}/trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n` +
      'Content-Length: 5\r\n\r\nhello';
    const { text } = await rawExchange(gateway.port, [request]);
    const [hints, head, body] = text.split('\r\n\r\n', 3);
    expect(hints).toBe('HTTP/1.1 103 Early Hints\r\nlink: </a>');
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(body).toBe('5\r\nhello\r\n0\r\nx-sum: 5');
  });

  it('carries many requests over one connection', async () => {
    const replies = await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        const body = String(at).repeat(3000);
        const reply = await fetch(`${gateway.url}/${name}/`, { method: 'POST', body });
        return (await reply.text()) === body;
      }),
    );
    expect(replies.every(Boolean)).toBe(true);
    expect(target.sessions.size).toBeLessThan(3);
  });

  it('that resets a stream within a body cuts the reply, and is asked on', async () => {
    await expect(
      fetch(`${gateway.url}/${name}/cut`).then((reply) => reply.text()),
    ).rejects.toThrow();
    expect((await fetch(`${gateway.url}/${name}/`)).status).toBe(200);
  });

  it('passes health checks over HTTP/2', async () => {
    const { probes } = target;
    await eventually('it was asked again', () => target.probes > probes + 1);
    const stats = await gateway.stats<{ targets: Record<string, { health: string }> }>();
    expect(JSON.stringify(stats)).not.toContain('unhealthy');
  });
});

it('speaks HTTP/1.1 with a target that chooses so', async () => {
  for (let round = 0; round < 3; round++) {
    const reply = await fetch(`${gateway.url}/old/`, { method: 'POST', body: 'x' });
    expect([reply.headers.get('x-version'), await reply.text()]).toEqual(['1.1', 'old']);
    expect(reply.headers.get('via')).toMatch(/^1\.1 /);
  }
});

it('says what is wrong with a target that speaks something else', async () => {
  const refused = await fetch(`${gateway.url}/wrong/`);
  expect([refused.status, await refused.json()]).toMatchObject([
    502,
    { code: 'GW_UPSTREAM_TLS_ALERT' },
  ]);
  const odd = await fetch(`${gateway.url}/http1/`);
  expect([odd.status, await odd.json()]).toMatchObject([502, { code: 'GW_UPSTREAM_PROTOCOL' }]);
});

it('loses no request to a target whose connections come and go', async () => {
  const statuses: number[] = [];
  const ask = async (): Promise<void> => {
    for (let count = 0; count < 40; count++) {
      const reply = await fetch(`${gateway.url}/h2c/leaving`, { method: 'POST', body: 'x' });
      statuses.push(reply.status);
      await reply.text();
    }
  };
  await Promise.all(Array.from({ length: 5 }, ask));
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(statuses.length).toBe(200);
});

it('sends pieces of a request, and brings those of its reply, at the same time', async () => {
  const request = httpRequest(`${gateway.url}/h2c/`, { method: 'POST' });
  const replied = new Promise<IncomingMessage>((resolve) => request.on('response', resolve));
  request.write('one');
  const reply = await replied;
  let text = '';
  reply.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  await eventually('the first is back', () => text === 'one');
  request.write('two');
  await eventually('so is the second', () => text === 'onetwo');
  request.end();
  await new Promise((resolve) => reply.on('end', resolve));
});

/** Asks for a WebSocket on this route; `text` is all that comes back. */
function openWebSocket(name: string): { readonly socket: Socket; text: string } {
  const asked = { socket: connect(gateway.port, '127.0.0.1'), text: '' };
  asked.socket.on('error', () => {});
  asked.socket.on('data', (bytes) => {
    asked.text += bytes.toString('latin1');
  });
  asked.socket.write(
    `GET /${name}/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  return asked;
}

it.each([
  ['a stream of a target that allows it', 'h2c'],
  ['a stream over TLS of a target that allows it', 'tunnels'],
  ['TLS by HTTP/1.1', 'wss'],
])('opens a WebSocket over %s', async (_, name) => {
  const open = openWebSocket(name);
  await eventually('it is open', () => open.text.includes('\r\n\r\n'));
  expect(open.text).toMatch(/^HTTP\/1\.1 101 /);
  expect(open.text).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  const frame = '\x81\x82\0\0\0\0hi';
  open.socket.write(frame, 'latin1');
  await eventually('the frame is back', () => open.text.endsWith(frame));
  // A long message, in more than a window.
  const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0]);
  const long = Buffer.concat([head, Buffer.alloc(0x20_0000, 'x')]);
  const { length } = open.text;
  open.socket.write(long);
  await eventually('all of it is back', () => open.text.length === length + long.length);
  open.socket.destroy();
});

it('opens no WebSocket over HTTP/2 where the target does not allow it', async () => {
  const refused = openWebSocket('h2');
  await eventually('it is refused', () => refused.text.includes('GW_UPSTREAM_NO_WEBSOCKET'));
  expect(refused.text).toMatch(/^HTTP\/1\.1 501 /);
  refused.socket.destroy();
});

it('opens a WebSocket by HTTP/1.1 where the target has the choice', async () => {
  expect((await fetch(`${gateway.url}/auto/`)).headers.get('via')).toMatch(/^2 /);
  const open = openWebSocket('auto');
  await eventually('it is open', () => open.text.includes('\r\n\r\n'));
  expect(open.text).toMatch(/^HTTP\/1\.1 101 /);
  const frame = '\x81\x82\0\0\0\0hi';
  open.socket.write(frame, 'latin1');
  await eventually('the frame is back', () => open.text.endsWith(frame));
  open.socket.destroy();
});

it('finishes what is under way when the configuration changes its connections', async () => {
  const request = httpRequest(`${gateway.url}/h2c/`, { method: 'POST' });
  const replied = new Promise<IncomingMessage>((resolve) => request.on('response', resolve));
  request.write('one');
  const reply = await replied;
  const before = clear.sessions.size;
  const h2c = { ...config.upstreams.h2c, http2: { maxStreams: 10 } };
  gateway.rewrite({ ...config, upstreams: { ...config.upstreams, h2c } });
  gateway.child.kill('SIGHUP');
  await eventually('it is in force', () => gateway.find('configuration applied').length > 0);
  expect((await fetch(`${gateway.url}/h2c/`)).status).toBe(200);
  expect(clear.sessions.size).toBeGreaterThan(0);
  expect(before).toBeGreaterThan(0);
  request.end('two');
  let text = '';
  for await (const bytes of reply) text += String(bytes);
  expect(text).toBe('onetwo');
});
