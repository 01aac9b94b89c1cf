/**
 * Bodies of refusals, by whomever they are made: workers, the acceptor, for requests that no route
 * takes and for those that cannot be read.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let folder: string;
let page: string;

const TOKEN = 'a-token-for-tests-of-the-admin-listener';
const BROWSER = 'text/html,application/xhtml+xml,*/*;q=0.8';

function config(): Record<string, unknown> {
  return {
    workers: 1,
    admin: { port: 0, token: TOKEN },
    errors: {
      404: { html: { file: page }, text: 'nothing: {{detail}}' },
      default: { html: '<b>{{status}}</b> {{code}}' },
    },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      { name: 'get', match: { path: '/get', methods: ['GET'] }, upstream: 'api' },
      {
        name: 'limited',
        match: { path: '/limited' },
        upstream: 'api',
        rateLimit: { limit: 1, window: '1h' },
        securityHeaders: {},
        errors: { 429: { json: '{"wait":true,"id":"{{requestId}}"}' }, 413: { html: 'own 413' } },
      },
      {
        name: 'replaced',
        match: { path: '/replaced/*' },
        upstream: 'api',
        errors: { 503: { html: 'busy {{requestId}} {{code}} {{title}}', json: '{"busy":true}' } },
        upstreamErrors: [404, '5xx'],
      },
    ],
    limits: { bodyBytes: '1KiB' },
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-pages-'));
  page = join(folder, '404.html');
  writeFileSync(page, '<h1>Lost</h1>{{detail}}');
  upstream = await FakeUpstream.start((request, response) => {
    const [, status = '404', bytes = ''] = /(\d{3})(?:-(\d+))?$/.exec(request.url ?? '') ?? [];
    response.writeHead(Number(status), {
      'content-type': 'text/plain',
      ...(status !== '404' && { 'content-encoding': 'br' }),
      etag: '"1"',
      'retry-after': '7',
      'set-cookie': 'seen=1',
    });
    if (bytes === '') response.end('of the target');
    // It goes on for ever.
    else response.write('x'.repeat(Number(bytes)));
  });
  gateway = await GatewayProcess.start(config());
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

async function get(path: string, accept: string, init: RequestInit = {}) {
  const reply = await fetch(gateway.url + path, { ...init, headers: { accept } });
  const { status, headers } = reply;
  return { status, headers, type: headers.get('content-type'), body: await reply.text() };
}

describe('pages of refusals', () => {
  it('are for requests that no route takes', async () => {
    const html = await get('/nowhere', BROWSER);
    expect([html.status, html.type]).toEqual([404, 'text/html; charset=utf-8']);
    expect(html.body).toMatch(/^<h1>Lost<\/h1>\w/);
    expect(html.headers.get('x-content-type-options')).toBe('nosniff');
    expect(html.headers.get('vary')).toBe('Accept');
    expect(html.headers.get('proxy-status')).toContain('GW_ROUTE_NOT_FOUND');
    const text = await get('/nowhere', 'text/plain');
    expect(text.body).toMatch(/^nothing: /);
    const json = await get('/nowhere', '*/*');
    expect([json.type, JSON.parse(json.body).code]).toEqual([
      'application/problem+json',
      'GW_ROUTE_NOT_FOUND',
    ]);
    expect(json.headers.get('vary')).toBe('Accept');
  });

  it('are for methods, and have no body where the client wants none', async () => {
    const refused = await get('/get', BROWSER, { method: 'PUT' });
    expect([refused.status, refused.body]).toEqual([405, '<b>405</b> GW_METHOD_NOT_ALLOWED']);
    const head = await get('/nowhere', BROWSER, { method: 'HEAD' });
    expect([head.status, head.type, head.body]).toEqual([404, 'text/html; charset=utf-8', '']);
  });

  it('of a route come before those of the gateway, beside its other fields', async () => {
    await get('/limited', '*/*');
    const json = await get('/limited', '*/*');
    expect([json.status, json.type]).toEqual([429, 'application/json']);
    expect(JSON.parse(json.body)).toEqual({
      wait: true,
      id: json.headers.get('x-request-id'),
    });
    expect(json.headers.get('retry-after')).not.toBeNull();
    expect(json.headers.get('x-content-type-options')).toBe('nosniff');
    const html = await get('/limited', 'text/html');
    expect([html.status, html.type]).toEqual([429, 'application/problem+json']);
  });

  it('are for what the acceptor refuses, by the route that would have taken it', async () => {
    const body = 'x'.repeat(2000);
    const own = await get('/limited', BROWSER, { method: 'POST', body });
    expect([own.status, own.body]).toEqual([413, 'own 413']);
    const other = await get('/nowhere', BROWSER, { method: 'POST', body });
    expect([other.status, other.body]).toEqual([413, '<b>413</b> GW_BODY_TOO_LARGE']);
    const raw = await rawExchange(
      gateway.port,
      ['GET /nowhere HTTP/1.1\r\nHost: a b\r\nAccept: text/html\r\n\r\n'],
      { until: /HOST_INVALID/ },
    );
    expect(raw.text).toMatch(/^HTTP\/1\.1 400 [\s\S]*text\/html[\s\S]*<b>400<\/b> GW_HOST_INVALID/);
  });

  it('leave the replies of targets alone', async () => {
    const head = 'GET /get HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n';
    const reply = await rawExchange(gateway.port, [head], { until: /of the target/ });
    expect(reply.text).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('take the place of bodies of targets where the route says so', async () => {
    const html = await get('/replaced/503', BROWSER);
    const id = html.headers.get('x-request-id');
    expect(html.body).toBe(`busy ${id} upstream_status Service Unavailable`);
    expect(Object.fromEntries(html.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(html.body.length),
      'retry-after': '7',
      'set-cookie': 'seen=1',
      vary: 'Accept',
      'x-content-type-options': 'nosniff',
    });
    expect(html.headers.get('content-encoding')).toBeNull();
    expect(html.headers.get('etag')).toBeNull();
    expect(html.headers.get('proxy-status')).toBeNull();
    expect((await get('/replaced/503', 'application/json')).body).toBe('{"busy":true}');
    // A page of the whole gateway.
    expect((await get('/replaced/404', BROWSER)).body).toMatch(/^<h1>Lost<\/h1>The service ans/);
    const head = await get('/replaced/503', BROWSER, { method: 'HEAD' });
    expect([head.status, head.body]).toEqual([503, '']);
    expect(head.headers.get('content-type')).toBe('text/html; charset=utf-8');
  });

  it('take no place where there is none for the type, or the status is not named', async () => {
    const raw = async (path: string, accept: string): Promise<string> => {
      const head = `GET ${path} HTTP/1.1\r\nHost: a\r\nAccept: ${accept}\r\n\r\n`;
      return (await rawExchange(gateway.port, [head], { until: /of the target/ })).text;
    };
    const json = await raw('/replaced/500', '*/*');
    expect(json).toMatch(/^HTTP\/1\.1 500 [\s\S]*content-encoding: br[\s\S]*Vary: Accept/i);
    expect(await raw('/replaced/410', 'text/html')).toMatch(/^HTTP\/1\.1 410 /);
    expect(await raw('/replaced/200', 'text/html')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('do not wait for the rest of a long body, and keep the connection of a short one', async () => {
    const long = await get('/replaced/503-100000', BROWSER);
    expect([long.status, long.body.slice(0, 5)]).toEqual([503, 'busy ']);
    await eventually('the target is left', () => upstream.abortedCount === 1);
    await get('/replaced/503', BROWSER);
    const [before] = [upstream.sockets.size];
    for (let count = 0; count < 5; count += 1) await get('/replaced/503', BROWSER);
    expect(upstream.sockets.size).toBe(before);
  });

  it('change with their files at a reload', async () => {
    writeFileSync(page, '<h1>Gone</h1>');
    expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
    expect((await get('/nowhere', BROWSER)).body).toBe('<h1>Gone</h1>');
  });

  it('change by themselves when somebody writes another file', async () => {
    writeFileSync(page, '<h1>Back</h1>');
    await eventually('the new page is there', async () => {
      return (await get('/nowhere', BROWSER)).body === '<h1>Back</h1>';
    });
  });
});
