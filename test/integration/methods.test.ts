/**
 * Methods beyond the usual ones: which routes take them, and what goes to the target.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { RawOrigin } from '../support/raw-origin.js';

let origin: RawOrigin;
let gateway: GatewayProcess;

beforeAll(async () => {
  origin = await RawOrigin.start();
  gateway = await GatewayProcess.start({
    ...{ workers: 1, logging: { accessLog: false } },
    upstreams: { api: { targets: [{ url: origin.url }] } },
    routes: [
      { name: 'usual', match: { path: '/usual' }, upstream: 'api' },
      { name: 'dav', match: { path: '/dav/*', methods: ['PROPFIND', 'LOCK'] }, upstream: 'api' },
      { name: 'all', match: { path: '/all', methods: ['*'] }, upstream: 'api' },
      { name: 'traced', match: { path: '/traced', methods: ['TRACE'] }, upstream: 'api' },
      {
        name: 'pages',
        match: { path: '/pages', methods: ['PROPFIND', '*'] },
        upstream: 'api',
        cors: { origins: ['https://app.example'], headers: ['depth'] },
      },
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await origin.close();
});

beforeEach(() => {
  for (const connection of origin.connections) connection.requests.length = 0;
});

function send(line: string, fields = '', body = ''): ReturnType<typeof rawExchange> {
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  const head = `${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}${length}\r\n`;
  return rawExchange(gateway.port, [head + body]);
}

const seen = () => origin.requests.map(({ method, target, body }) => [method, target, body]);

describe('a method', () => {
  it.each([
    ['QUERY', '/usual'],
    ['PROPFIND', '/dav/x'],
    ['LOCK', '/dav/'],
    ['PROPFIND', '/all'],
    ['BREW', '/all'],
    ['M-SEARCH', '/all'],
    ['POST', '/all'],
  ])('%s %s goes to the target with its body', async (method, path) => {
    expect((await send(`${method} ${path}`, '', '<a/>')).status).toBe(200);
    expect((await send(`${method} ${path}`)).status).toBe(200);
    expect(seen()).toEqual([
      [method, path, '<a/>'],
      [method, path, ''],
    ]);
  });

  it.each([
    ['PROPFIND', '/usual', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY'],
    ['REPORT', '/dav/x', 'PROPFIND, LOCK'],
    ['GET', '/dav/x', 'PROPFIND, LOCK'],
    ['TRACE', '/usual', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY'],
    ['get', '/all', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY, PROPFIND, LOCK'],
  ])('%s %s is not taken, and Allow says %s', async (method, path, allow) => {
    const reply = await send(`${method} ${path}`);
    expect(reply.status).toBe(405);
    expect(reply.text).toContain(`Allow: ${allow}\r\n`);
    expect(seen()).toEqual([]);
  });

  it('CONNECT is never taken', async () => {
    expect((await send('CONNECT /all')).status).toBe(501);
    expect(seen()).toEqual([]);
  });

  it('that nobody knows makes no figure of its own', async () => {
    for (let at = 0; at < 20; at++) await send(`MADE-UP-${at} /all`);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).not.toContain('MADE-UP');
    expect(metrics).toMatch(/route="all",method_class="other",status_class="2xx"\} [2-9]\d/);
  });
});

describe('TRACE', () => {
  it('is forwarded with one less forward, and answered at none without credentials', async () => {
    await send('TRACE /traced', 'Max-Forwards: 3\r\n');
    const [{ fields = [] } = {}] = origin.requests;
    expect(fields).toContainEqual(['max-forwards', '2']);
    const fieldsSent = 'Max-Forwards: 0\r\nCookie: a=b\r\nX-Api-Key: k\r\nX-A: 1\r\n';
    const { text, status } = await send('TRACE /traced?q', fieldsSent);
    expect(status).toBe(200);
    expect(text).toMatch(/content-type: message\/http\r\n/i);
    expect(text).toContain('\r\n\r\nTRACE /traced?q HTTP/1.1\r\nhost: a\r\n');
    expect(text).toContain('x-a: 1\r\n');
    expect(text).not.toMatch(/a=b|x-api-key/i);
    expect(origin.requests).toHaveLength(1);
  });

  it('has no body', async () => {
    expect((await send('TRACE /traced', '', 'x')).status).toBe(400);
  });
});

it('a page may use methods of its route that have names', async () => {
  const ask = async (method: string) => {
    const fields = `Origin: https://app.example\r\nAccess-Control-Request-Method: ${method}\r\n`;
    return send('OPTIONS /pages', fields);
  };
  const { status, text } = await ask('PROPFIND');
  expect([status, /allow-methods: (.*)\r/i.exec(text)?.[1]]).toEqual([
    204,
    'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY, PROPFIND',
  ]);
  expect((await ask('BREW')).status).toBe(403);
});
