import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  const config = aConfig([upstream.url], { top: { workers: 2 } });
  config['routes'] = [
    { name: 'api', match: { path: '/api/*' }, upstream: 'api' },
    { name: 'get-only', match: { path: '/only/get', methods: ['GET'] }, upstream: 'api' },
    {
      name: 'rewritten',
      match: { path: '/v1/*' },
      upstream: 'api',
      rewrite: {
        stripPrefix: '/v1',
        headers: { set: { 'x-env': 'prod' }, remove: ['x-debug'] },
      },
    },
  ];
  gateway = await GatewayProcess.start(config);
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

beforeEach(() => {
  upstream.received.length = 0;
  upstream.script = (request, response) => upstream.echo(request, response);
});

describe('what goes to the target', () => {
  it('carries method, path, query and body as the client sent them', async () => {
    const reply = await fetch(`${gateway.url}/api/items?q=a%20b&x`, {
      method: 'POST',
      body: 'hello',
      headers: { 'content-type': 'text/plain' },
    });
    expect(reply.status).toBe(200);
    const [received] = upstream.received;
    expect(received?.method).toBe('POST');
    expect(received?.url).toBe('/api/items?q=a%20b&x');
    expect(received?.body.toString()).toBe('hello');
    expect(received?.headers['content-type']).toBe('text/plain');
    expect(received?.headers['content-length']).toBe('5');
  });

  it.each([
    '/api/fetch/https://img.example/a.png',
    '/api/bucket//key',
    '/api/signed/%7Euser?x=//y',
    '/api/v4/projects/group%2Fproject',
    '/api/@scope%2fpackage',
    '/api/%5Cx',
  ])('has the path %s as the client wrote it', async (path) => {
    const request = `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const reply = await rawExchange(gateway.port, [request]);
    expect(reply.status).toBe(200);
    expect(upstream.received.map(({ url }) => url)).toEqual([path]);
  });

  it('has one slash at the start of its path, also behind a prefix', async () => {
    for (const path of ['//api//x', '/v1//evil.example/x', '/v1///']) {
      const request = `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
      await rawExchange(gateway.port, [request]);
    }
    const seen = upstream.received.map(({ url }) => url);
    expect(seen).toEqual(['/api//x', '/evil.example/x', '/']);
  });

  it.each([
    ['2', '1'],
    ['1', '0'],
    ['010', '9'],
    ['x', 'x'],
    ['-1', '-1'],
  ])('counts Max-Forwards %s of OPTIONS down to %s', async (given, forwarded) => {
    const headers = { 'max-forwards': given };
    await fetch(`${gateway.url}/api/x`, { method: 'OPTIONS', headers });
    await fetch(`${gateway.url}/api/x`, { headers });
    const seen = upstream.received.map((request) => request.headers['max-forwards']);
    expect(seen).toEqual([forwarded, given]);
  });

  it('is nothing of OPTIONS with Max-Forwards 0, which the gateway answers', async () => {
    const headers = { 'max-forwards': '0' };
    const reply = await fetch(`${gateway.url}/api/x`, { method: 'OPTIONS', headers });
    expect([reply.status, reply.headers.get('allow')]).toEqual([
      204,
      'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY',
    ]);
    expect(upstream.received).toEqual([]);
  });

  it('says where the request came from and by which gateway', async () => {
    await fetch(`${gateway.url}/api/items`, {
      headers: { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6', via: '1.1 other' },
    });
    const headers = upstream.received[0]?.headers;
    const host = `127.0.0.1:${gateway.port}`;
    expect(headers?.['x-forwarded-for']).toBe('127.0.0.1');
    expect(headers?.['x-forwarded-proto']).toBe('http');
    expect(headers?.['x-forwarded-host']).toBe(host);
    expect(headers?.['forwarded']).toBe(`for=127.0.0.1;host="${host}";proto=http`);
    expect(headers?.['via']).toBe('1.1 other');
    expect(headers?.['host']).toBe(host);
    expect(headers?.['x-request-id']).toMatch(/^[0-9a-f]{12}-[0-9a-f]{8}$/);
  });

  it('leaves out fields of the connection, and those that Connection names', async () => {
    await rawExchange(
      gateway.port,
      [
        'GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\n' +
          'Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\n' +
          'HTTP2-Settings: AAA\r\nProxy-Connection: close\r\nX-Kept: 1\r\n\r\n',
      ],
      { until: /\}$/ },
    );
    const names = Object.keys(upstream.received[0]?.headers ?? {});
    expect(names).toContain('x-kept');
    for (const name of [
      'x-secret',
      'keep-alive',
      'te',
      'trailer',
      'upgrade',
      'http2-settings',
      'proxy-connection',
    ]) {
      expect(names).not.toContain(name);
    }
  });

  it('follows the rewrite of the route', async () => {
    await fetch(`${gateway.url}/v1/items/7?a=1`, { headers: { 'x-debug': '1', 'x-env': 'fake' } });
    const [received] = upstream.received;
    expect(received?.url).toBe('/items/7?a=1');
    expect(received?.headers['x-env']).toBe('prod');
    expect(received?.headers['x-debug']).toBeUndefined();
  });

  it('keeps the bytes of a field value that is not ASCII, both ways', async () => {
    upstream.script = (request, response) => {
      upstream.keep(request, () => {
        response.setHeader('x-back', Buffer.from([0xe9, 0x41]).toString('latin1'));
        response.end();
      });
    };
    const head = Buffer.concat([
      Buffer.from('GET /api/x HTTP/1.1\r\nHost: a\r\nX-Name: '),
      Buffer.from([0x63, 0xe9, 0xff, 0x64]),
      Buffer.from('\r\n\r\n'),
    ]);
    const reply = await rawExchange(gateway.port, [head], { until: /\r\n\r\n/ });
    expect(upstream.received[0]?.headers['x-name']).toBe('c\u00e9\u00ffd');
    expect(reply.text).toContain('x-back: \u00e9A\r\n');
  });

  it('is one spelling of the path, the one that was routed', async () => {
    const reply = await rawExchange(
      gateway.port,
      ['GET /x/../api/%61//b/./c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
      { until: /\}$/ },
    );
    expect(reply.status).toBe(200);
    expect(upstream.received[0]?.url).toBe('/api/a/b/c');
  });
});

describe('what comes back', () => {
  it('carries status, fields and body of the target, and the id and time of the gateway', async () => {
    upstream.script = (_request, response) => {
      response.writeHead(201, { 'x-custom': 'yes', 'set-cookie': ['a=1', 'b=2'] });
      response.end('made');
    };
    const reply = await fetch(`${gateway.url}/api/x`, { headers: { 'x-request-id': 'my-id.1' } });
    expect(reply.status).toBe(201);
    expect(await reply.text()).toBe('made');
    expect(reply.headers.get('x-custom')).toBe('yes');
    expect(reply.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(reply.headers.get('x-request-id')).toBe('my-id.1');
    expect(reply.headers.get('x-response-time')).toMatch(/^\d+\.\d{3}s$/);
  });

  it('makes a request id of its own when the client sends a strange one', async () => {
    const reply = await fetch(`${gateway.url}/api/x`, { headers: { 'x-request-id': 'a b"c' } });
    expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f]{12}-[0-9a-f]{8}$/);
  });

  it('leaves out fields of the connection, and those that Connection names', async () => {
    upstream.script = (_request, response) => {
      response.writeHead(200, {
        connection: 'keep-alive, x-hop',
        'x-hop': '1',
        'keep-alive': 'timeout=7',
        'x-kept': '1',
      });
      response.end('x');
    };
    const reply = await rawExchange(gateway.port, ['GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n'], {
      until: /\r\n\r\nx/,
    });
    expect(reply.text).toContain('x-kept: 1');
    expect(reply.text.toLowerCase()).not.toMatch(/x-hop|keep-alive/);
  });

  it.each([204, 304])('has no body and keeps the connection with status %i', async (status) => {
    upstream.script = (_request, response) => {
      response.writeHead(status, status === 304 ? { 'content-length': '10', etag: '"x"' } : {});
      response.end();
    };
    const get = 'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n';
    const reply = await rawExchange(gateway.port, [get, get], {
      pauseMs: 200,
      until: /HTTP\/1\.1[\s\S]*HTTP\/1\.1[\s\S]*\r\n\r\n/,
    });
    expect(reply.text.match(new RegExp(`HTTP/1.1 ${status}`, 'g'))).toHaveLength(2);
    expect(reply.text).not.toMatch(status === 204 ? /content-length/i : /transfer-encoding/i);
  });

  it('answers HEAD with the length and no body, twice on one connection', async () => {
    const head = 'HEAD /api/x HTTP/1.1\r\nHost: a\r\n\r\n';
    const reply = await rawExchange(gateway.port, [head, head], {
      pauseMs: 200,
      until: /HTTP\/1\.1[\s\S]*HTTP\/1\.1[\s\S]*\r\n\r\n/,
    });
    expect(reply.text.match(/Content-Length: \d+/g)).toHaveLength(2);
    expect(reply.text.endsWith('\r\n\r\n')).toBe(true);
    expect(upstream.received.map((received) => received.method)).toEqual(['HEAD', 'HEAD']);
  });

  it('streams a reply without a length as it comes', async () => {
    let finish = (): void => {};
    upstream.script = (_request, response) => {
      response.write('first');
      finish = () => response.end('last');
    };
    const reply = await new Promise<IncomingMessage>((resolve) => {
      httpRequest(`${gateway.url}/api/x`, resolve).end();
    });
    reply.setEncoding('utf8');
    const chunks: string[] = [];
    await new Promise<void>((resolve) => {
      reply.on('data', (chunk: string) => {
        chunks.push(chunk);
        // The first part is here although the rest is not even written.
        if (chunks.length === 1) finish();
      });
      reply.on('end', resolve);
    });
    expect(chunks).toEqual(['first', 'last']);
    expect(reply.headers['transfer-encoding']).toBe('chunked');
  });
});

describe('what the gateway answers by itself', () => {
  it('says 404 for a path that no route takes', async () => {
    const reply = await fetch(`${gateway.url}/nowhere`);
    expect(reply.status).toBe(404);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
    expect(reply.headers.get('proxy-status')).toMatch(/^sluice; error=destination_not_found/);
    const problem = (await reply.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({
      type: 'about:blank',
      title: 'Route not found',
      status: 404,
      code: 'GW_ROUTE_NOT_FOUND',
      requestId: reply.headers.get('x-request-id'),
    });
  });

  it('says 405 with Allow for a method that no route of the path takes', async () => {
    const reply = await fetch(`${gateway.url}/only/get`, { method: 'DELETE' });
    expect(reply.status).toBe(405);
    expect(reply.headers.get('allow')).toBe('GET, HEAD');
  });

  it('says 502 when the target resets the connection before it replies', async () => {
    upstream.script = (request) => request.socket.destroy();
    const reply = await fetch(`${gateway.url}/api/x`, { method: 'POST', body: 'x' });
    expect(reply.status).toBe(502);
    expect(await reply.json()).toMatchObject({ code: 'GW_UPSTREAM_RESET' });
  });
});
