/** A page of another origin can read why the gateway refused it, whoever refused. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

let site: FakeUpstream;
let gateway: GatewayProcess;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  site = await FakeUpstream.start((request, response) => {
    request.resume();
    response.setHeader('content-type', 'text/html');
    response.end('<p>a page</p>');
  });
  gateway = await GatewayProcess.start({
    workers: 1,
    limits: { bodyBytes: '64KiB' },
    cors: { origins: [site.url], headers: ['*'] },
    upstreams: { gone: { targets: [{ url: 'http://127.0.0.1:2' }] } },
    routes: [
      { name: 'get', match: { path: '/get', methods: ['GET'] }, respond: { body: 'ok' } },
      { name: 'upload', match: { path: '/upload' }, upstream: 'gone' },
      {
        name: 'limited',
        match: { path: '/limited' },
        respond: { body: 'ok' },
        rateLimit: { limit: 1, window: '1h', key: 'clientIp' },
      },
      {
        name: 'others',
        match: { path: '/others' },
        upstream: 'gone',
        cors: { origins: ['https://others.example'] },
      },
    ],
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  await page.goto(site.url);
});

afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  await site?.close();
});

/** The status that a script of the page sees; 0: a network error. */
function seen(path: string, init: RequestInit = {}): Promise<number> {
  return page.evaluate(
    ([url, wish]) =>
      fetch(url, wish).then(
        ({ status }) => status,
        () => 0,
      ),
    [`${gateway.url}${path}`, init] as const,
  );
}

describe('a page of an origin that is listed', () => {
  it('reads replies, also with fields of its own', async () => {
    expect(await seen('/get')).toBe(200);
    expect(await seen('/get', { headers: { 'x-trace': '1' } })).toBe(200);
  });

  it('reads that there is no route, and that its method is not taken', async () => {
    expect(await seen('/nowhere')).toBe(404);
    expect(await seen('/nowhere', { method: 'PUT', headers: { 'x-trace': '1' } })).toBe(404);
    expect(await seen('/get', { method: 'POST', body: 'x' })).toBe(405);
    expect(await seen('/a%2')).toBe(400);
  });

  it('reads that its body is too large, which the acceptor says', async () => {
    expect(await seen('/upload', { method: 'POST', body: 'x'.repeat(65 * 1024) })).toBe(413);
    expect(await seen('/nowhere', { method: 'POST', body: 'x'.repeat(65 * 1024) })).toBe(413);
  });

  it('reads that it is over a limit, that a target is gone, and that its head is too large', async () => {
    expect(await seen(`/get?${'x'.repeat(17_000)}`)).toBe(414);
    expect(await seen('/get', { headers: { 'x-long': 'x'.repeat(16_300) } })).toBe(431);
    expect(await seen('/limited')).toBe(200);
    expect(await seen('/limited')).toBe(429);
    expect(await seen('/upload', { method: 'POST', body: 'x' })).toBe(502);
  });

  it('reads nothing of a route that lets other origins in', async () => {
    expect(await seen('/others')).toBe(0);
    expect(await seen('/others', { method: 'POST', body: 'x'.repeat(65 * 1024) })).toBe(0);
  });
});
