import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

let upstream: FakeUpstream;
let byHeader: GatewayProcess;
let byPath: GatewayProcess;
let byType: GatewayProcess;

const version = (name: string, fields: object = {}) => ({
  name: `v${name}`,
  match: { path: '/users/*', version: name },
  upstream: 'api',
  rewrite: { headers: { set: { 'x-version': name } } },
  ...fields,
});

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  const shared = {
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    workers: 1,
    logging: { accessLog: false },
  };
  const guarded = (name: string, guards: object) => ({
    name,
    match: { path: `/${name}` },
    upstream: 'api',
    guards,
  });
  [byHeader, byPath, byType] = await Promise.all([
    GatewayProcess.start({
      ...shared,
      limits: { bodyBytes: '32MiB' },
      requestId: { accept: 'trustedProxies' },
      versioning: { by: 'header', header: 'X-Version', default: '2' },
      routes: [
        version('0', { deprecation: { sunset: '2020-01-01', link: 'https://a.example/v2' } }),
        version('1', {
          deprecation: { since: '2026-01-01', sunset: '2126-01-01', link: 'https://a.example/v2' },
        }),
        version('2'),
        // A schema that never comes to an end.
        {
          name: 'broken',
          match: { path: '/broken' },
          upstream: 'api',
          validation: { query: { allOf: [{ $ref: '#' }] } },
        },
        guarded('head', { headerBytes: 256, headerCount: 6 }),
        guarded('size', { bodyBytes: 1000 }),
        guarded('rate', { minBodyRate: { bytesPerSecond: 100_000, grace: '300ms' } }),
        guarded('fast', { minBodyRate: { bytesPerSecond: 5_000_000, grace: '300ms' } }),
        guarded('time', { bodyTimeout: '300ms' }),
      ],
    }),
    GatewayProcess.start({
      ...shared,
      versioning: { by: 'path', default: '2' },
      routes: [version('1'), version('2')],
    }),
    GatewayProcess.start({
      ...shared,
      versioning: { by: 'mediaType' },
      routes: [version('1'), version('2')],
    }),
  ]);
});

afterAll(async () => {
  await Promise.all([byHeader, byPath, byType].map((gateway) => gateway.stop()));
  await upstream.close();
});

beforeEach(() => {
  upstream.received.length = 0;
  upstream.script = (request, response) => upstream.echo(request, response);
});

const ask = (gateway: GatewayProcess, path: string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, { headers });
const last = () => upstream.received.at(-1);

describe('a version', () => {
  it('is told by a field, or is the default one', async () => {
    const reply = await ask(byHeader, '/users/7', { 'x-version': '1' });
    expect(last()?.headers['x-version']).toBe('1');
    expect(reply.headers.get('deprecation')).toBe('@1767225600');
    expect(reply.headers.get('sunset')).toBe('Tue, 01 Jan 2126 00:00:00 GMT');
    expect(reply.headers.get('link')).toBe('<https://a.example/v2>; rel="deprecation sunset"');
    expect(reply.headers.get('vary')).toBe('x-version');
    const plain = await ask(byHeader, '/users/7');
    expect(last()?.headers['x-version']).toBe('2');
    expect(plain.headers.get('deprecation')).toBeNull();
  });

  it('is gone after its sunset', async () => {
    const reply = await ask(byHeader, '/users/7', { 'x-version': '0' });
    expect(reply.status).toBe(410);
    expect(await reply.json()).toMatchObject({ code: 'GW_VERSION_GONE' });
    expect(reply.headers.get('sunset')).toBe('Wed, 01 Jan 2020 00:00:00 GMT');
    expect(reply.headers.get('link')).toBe('<https://a.example/v2>; rel="sunset"');
    expect(upstream.received).toEqual([]);
  });

  it.each(['3', '1,2', '1 ', ' ', 'constructor'])('is refused when it is "%s"', async (asked) => {
    const { status, text } = await rawExchange(byHeader.port, [
      `GET /users/7 HTTP/1.1\r\nHost: x\r\nX-Version: 2\r\nX-Version: ${asked}\r\nConnection: close\r\n\r\n`,
    ]);
    expect(status).toBe(400);
    expect(text).toContain('GW_VERSION_UNKNOWN');
    expect(text).toContain('there are: 0, 1, 2');
    expect(upstream.received).toEqual([]);
  });

  it('in the path is not for the target', async () => {
    await ask(byPath, '/v1/users/7?x=1');
    expect([last()?.url, last()?.headers['x-version']]).toEqual(['/users/7?x=1', '1']);
    await ask(byPath, '/users/7');
    expect([last()?.url, last()?.headers['x-version']]).toEqual(['/users/7', '2']);
    expect((await ask(byPath, '/v3/users/7')).status).toBe(404);
  });

  it.each([
    ['application/vnd.acme.v1+json', '1'],
    ['application/json;version=2', '2'],
    ['application/json; q=0.5; version="1"', '1'],
    ['application/vnd.acme.v9+json, application/vnd.acme.v2+json', '2'],
  ])('is told by the media type %s', async (accept, expected) => {
    expect((await ask(byType, '/users/7', { accept })).status).toBe(200);
    expect(last()?.headers['x-version']).toBe(expected);
  });

  it('is asked for where there is no default', async () => {
    const reply = await ask(byType, '/users/7', { accept: 'application/json' });
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({
      detail: 'Say which version you mean; there are: 1, 2.',
    });
  });
});

it('a filter that throws lets nothing through, says who asked, and is counted', async () => {
  const figures = async () =>
    ((await byHeader.stats()) as { counters: Record<string, number> }).counters;
  const before = await figures();
  const reply = await ask(byHeader, '/broken', { 'x-request-id': 'made-up-by-the-client' });
  expect(reply.status).toBe(500);
  const requestId = reply.headers.get('x-request-id');
  expect(await reply.json()).toMatchObject({ code: 'GW_INTERNAL', requestId });
  expect(requestId).not.toBe('made-up-by-the-client');
  expect(upstream.received).toEqual([]);
  const after = await figures();
  expect(after['filter_errors']).toBe((before['filter_errors'] ?? 0) + 1);
  expect((await ask(byHeader, '/users/7')).status).toBe(200);
});

describe('a guard', () => {
  it('bounds heads of a route', async () => {
    // What concerns the connection alone does not reach the worker over wire, and is not counted.
    const uncounted = byEngine({ wire: 'X: 0\r\n', uws: '' });
    const head = `GET /head HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${uncounted}`;
    const status = async (more: string) =>
      (await rawExchange(byHeader.port, [`${head}${more}\r\n`])).status;
    expect(await status('A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n')).toBe(200);
    expect(await status('A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n')).toBe(431);
    expect(await status(`A: ${'x'.repeat(150)}\r\n`)).toBe(200);
    expect(await status(`A: ${'x'.repeat(220)}\r\n`)).toBe(431);
  });

  const post = (path: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\n`;

  it.each([1000, 1001])('bounds bodies of a route: %i of 1000 bytes', async (bytes) => {
    const body = 'x'.repeat(bytes);
    const known = `${post('/size')}Connection: close\r\nContent-Length: ${bytes}\r\n\r\n${body}`;
    const chunked = `${post('/size')}Transfer-Encoding: chunked\r\n\r\n${bytes.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const expected = bytes === 1000 ? 200 : 413;
    for (const request of [known, chunked]) {
      expect((await rawExchange(byHeader.port, [request], { until: /\r\n\r\n/ })).status).toBe(
        expected,
      );
    }
  });

  function drip(path: string): { socket: Socket; reply: () => string; stop: () => void } {
    let text = '';
    const socket = connect(byHeader.port, '127.0.0.1');
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('error', () => {});
    socket.write(`${post(path)}Content-Length: 900000\r\n\r\n`);
    const timer = setInterval(() => socket.writable && socket.write('x'), 20);
    const stop = (): void => {
      clearInterval(timer);
      socket.destroy();
    };
    return { socket, reply: () => text, stop };
  }

  it.each(['/rate', '/time'])('ends a body that comes too slowly: %s', async (path) => {
    const { reply, stop } = drip(path);
    await eventually('it is refused', () => reply().startsWith('HTTP/1.1 408'));
    stop();
    await eventually(
      'nothing is in flight',
      async () => (await byHeader.stats())['in_flight'] === 0,
    );
  });

  it('does not blame the client for a target that takes nothing', async () => {
    const held: (() => void)[] = [];
    upstream.script = (request, response) => {
      request.pause();
      held.push(() => {
        request.resume();
        request.on('end', () => response.end('taken'));
      });
    };
    let text = '';
    const socket = connect(byHeader.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += String(chunk);
    });
    // More than all buffers on the way to the target hold, which is less than what two and a half
    // seconds would have to bring.
    socket.write(`${post('/fast')}Content-Length: 20000000\r\n\r\n`);
    socket.write(Buffer.alloc(20_000_000, 'x'));
    await eventually('the target has the head', () => held.length === 1);
    const began = Date.now();
    await eventually('time has passed', () => Date.now() - began > 2500);
    expect(text).toBe('');
    for (const release of held) release();
    await eventually('it is answered', () => text.includes('taken'));
    socket.destroy();
  });
});
