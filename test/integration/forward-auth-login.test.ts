/**
 * A login as oauth2-proxy, Authelia and Authentik do it, in a real browser: the gateway asks a
 * service about each request, which sends browsers to a login page on another origin, takes them
 * back with a code, and keeps them known by a cookie that it renews.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

let app: FakeUpstream;
let provider: FakeUpstream;
let proxy: FakeUpstream;
let gateway: GatewayProcess;
let browser: Browser;
let context: BrowserContext;

/** Codes that the provider gave out, and names of users by their session. */
const codes = new Map<string, string>();
const sessions = new Map<string, string>();

function cookieOf({ headers }: IncomingMessage, name: string): string {
  const pairs = (headers.cookie ?? '').split('; ').map((pair) => pair.split('='));
  return pairs.find(([key]) => key === name)?.[1] ?? '';
}

/** Where the gateway asks: 202 with a name, a way to the login, or 401 for programs. */
function verify(request: IncomingMessage, response: ServerResponse): void {
  const user = sessions.get(cookieOf(request, 'session'));
  if (user !== undefined) {
    const renewed = `session=${cookieOf(request, 'session')}; Path=/; HttpOnly; Max-Age=3600`;
    response.writeHead(202, { 'x-auth-request-user': user, 'set-cookie': renewed }).end();
    return;
  }
  if (!(request.headers['accept'] ?? '').includes('text/html')) {
    response.writeHead(401, { 'www-authenticate': 'Session' }).end('log in first');
    return;
  }
  const { 'x-forwarded-proto': scheme, 'x-forwarded-host': host } = request.headers;
  const wanted = `${scheme}://${host}${request.headers['x-forwarded-uri']}`;
  const csrf = randomUUID();
  const state = encodeURIComponent(`${csrf} ${wanted}`);
  const back = encodeURIComponent(`${scheme}://${host}/oauth2/callback`);
  response.writeHead(302, {
    location: `${provider.url}/authorize?redirect_uri=${back}&state=${state}`,
    'set-cookie': `csrf=${csrf}; Path=/; HttpOnly; SameSite=Lax`,
  });
  response.end();
}

/** The end of the login, which the browser reaches through the gateway. */
function callback(request: IncomingMessage, response: ServerResponse): void {
  const { searchParams } = new URL(request.url ?? '', 'http://proxy');
  const [csrf, wanted = '/'] = (searchParams.get('state') ?? '').split(' ');
  const user = codes.get(searchParams.get('code') ?? '');
  if (user === undefined || csrf !== cookieOf(request, 'csrf')) {
    response.writeHead(403).end('the login was not begun here');
    return;
  }
  const session = randomUUID();
  sessions.set(session, user);
  const cookies = [`session=${session}; Path=/; HttpOnly`, 'csrf=; Path=/; Max-Age=0'];
  response.writeHead(302, { location: wanted, 'set-cookie': cookies }).end();
}

/** The provider's login page, on an origin of its own. */
function authorize(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://provider');
  if (pathname === '/login') {
    const code = randomUUID();
    codes.set(code, searchParams.get('user') ?? '');
    const state = encodeURIComponent(searchParams.get('state') ?? '');
    const location = `${searchParams.get('back')}?code=${code}&state=${state}`;
    response.writeHead(302, { location }).end();
    return;
  }
  response.setHeader('content-type', 'text/html');
  response.end(`<form action="/login"><input name="user">
    <input type="hidden" name="back" value="${searchParams.get('redirect_uri')}">
    <input type="hidden" name="state" value="${searchParams.get('state')}">
    <button>Log in</button></form>`);
}

beforeAll(async () => {
  app = await FakeUpstream.start((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<h1>Hello ${request.headers['x-auth-request-user']}</h1><p>${request.url}</p>`);
  });
  provider = await FakeUpstream.start(authorize);
  proxy = await FakeUpstream.start((request, response) => {
    request.resume();
    if (request.url === '/oauth2/auth') verify(request, response);
    else callback(request, response);
  });
  gateway = await GatewayProcess.start({
    workers: 1,
    authenticators: {
      login: {
        type: 'forwardAuth',
        url: `${proxy.url}/oauth2/auth`,
        timeout: '10s',
        responseHeaders: ['x-auth-request-user'],
        clientHeaders: ['set-cookie'],
        consumerHeader: 'x-auth-request-user',
      },
    },
    upstreams: {
      app: { targets: [{ url: app.url }] },
      proxy: { targets: [{ url: proxy.url }] },
    },
    routes: [
      { name: 'login', match: { path: '/oauth2/*' }, upstream: 'proxy' },
      { name: 'app', match: { path: '/app/*' }, upstream: 'app', authenticate: ['login'] },
      {
        name: 'api',
        match: { path: '/api' },
        respond: { body: 'for pages only' },
        authenticate: ['login'],
        cors: { origins: ['https://app.example'] },
      },
    ],
  });
  browser = await launchBrowser();
});

beforeEach(async () => {
  sessions.clear();
  context = await browser.newContext();
});

afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  for (const server of [app, provider, proxy]) await server?.close();
});

describe('a browser that nobody knows', () => {
  it('is sent to the login, and comes back to the page that it wanted', async () => {
    const page = await context.newPage();
    await page.goto(`${gateway.url}/app/page?x=1`);
    expect(page.url().startsWith(`${provider.url}/authorize`)).toBe(true);
    await page.fill('input[name=user]', 'ada');
    await page.click('button');
    await page.waitForURL(`${gateway.url}/app/page?x=1`);
    expect(await page.textContent('h1')).toBe('Hello ada');
    expect(await page.textContent('p')).toBe('/app/page?x=1');
    const names = (await context.cookies()).map(({ name }) => name);
    expect(names).toEqual(['session']);
    // The service renews its cookie with each answer, also where the gateway itself replies.
    const reply = await page.request.get(`${gateway.url}/api`);
    expect(await reply.text()).toBe('for pages only');
    expect(reply.headers()['set-cookie']).toContain('Max-Age=3600');
    expect((await context.cookies())[0]?.expires).toBeGreaterThan(0);
    await context.close();
  });

  it('is not let in with a session that the service does not know', async () => {
    await context.addCookies([{ name: 'session', value: 'made-up', url: gateway.url }]);
    const page = await context.newPage();
    await page.goto(`${gateway.url}/app/page`);
    expect(page.url().startsWith(`${provider.url}/authorize`)).toBe(true);
    await context.close();
  });
});

describe('a program that nobody knows', () => {
  it('gets the challenge of the service, and its reason', async () => {
    const headers = { accept: 'application/json', origin: 'https://app.example' };
    const reply = await fetch(`${gateway.url}/api`, { headers });
    expect(reply.status).toBe(401);
    expect(reply.headers.get('www-authenticate')).toBe('Session');
    expect(reply.headers.get('set-cookie')).toBeNull();
    // A page can read why.
    expect(reply.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(await reply.text()).toBe('log in first');
  });
});
