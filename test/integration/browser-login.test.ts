/**
 * Login in a browser, with a real provider in a process of its own and a real Chromium: the gateway
 * is on one site, the provider on another.
 */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { OidcProviderProcess } from '../support/oidc-provider-process.js';

const SECRET = 'a secret of a test, 32 characters or more';

let app: FakeUpstream;
let provider: OidcProviderProcess;
let gateway: GatewayProcess;
let origin: string;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  [provider, browser, app] = await Promise.all([
    OidcProviderProcess.start(),
    launchBrowser(),
    FakeUpstream.start((request, response) => {
      request.resume();
      response.setHeader('content-type', 'text/html');
      const { 'x-user': user, cookie = 'none', authorization = 'none' } = request.headers;
      response.end(`<h1>Hello ${user}</h1><p>${request.url}</p><i>${cookie}</i><b>${authorization}</b>
        <form method="post" action="/login/logout"><button>Log out</button></form>`);
    }),
  ]);
  gateway = await GatewayProcess.start({
    workers: 2,
    authenticators: {
      web: {
        type: 'oidc',
        issuer: provider.issuer,
        clientId: 'sluice',
        clientSecret: 'the password of the gateway',
        scopes: ['offline_access'],
        backchannelLogoutPath: '/login/backchannel',
        session: { secret: SECRET },
        accessTokenHeader: 'authorization',
        claimHeaders: { 'x-user': 'sub' },
        timeout: '5s',
      },
    },
    upstreams: { app: { targets: [{ url: app.url }] } },
    routes: [
      { name: 'login', match: { path: '/login/*' }, login: 'web' },
      { name: 'app', match: { path: '/*' }, upstream: 'app', authenticate: ['web'] },
    ],
  });
  origin = gateway.url.replace('127.0.0.1', 'localhost');
  await provider.order({ gateway: origin });
  await eventually('the provider is found', async () => {
    const reply = await ask('/', { accept: 'text/html' });
    return reply.status === 302;
  });
});

beforeEach(async () => {
  await provider.order({ mood: 'well', firstSeconds: 3600 });
  context = await browser.newContext();
});

afterEach(() => context.close());

afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  await provider?.stop();
  await app?.close();
});

/** As a program asks: fetch() would say of itself that it is a script of a page. */
async function ask(
  path: string,
  headers: Record<string, string>,
  method: 'GET' | 'HEAD' | 'POST' = 'GET',
): Promise<Response> {
  const {
    statusCode: status,
    headers: found,
    body,
  } = await request(origin + path, {
    method,
    headers,
  });
  const text = await body.text();
  const reply = new Response(text, { status });
  for (const [name, value] of Object.entries(found)) {
    for (const one of [value ?? []].flat()) reply.headers.append(name, one);
  }
  return reply;
}

/** At the provider's own form. */
async function submit(page: Page, user: string): Promise<void> {
  await page.fill('input[name=login]', user);
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
}

async function logIn(page: Page, path: string, user = 'ada'): Promise<void> {
  await page.goto(origin + path);
  expect(page.url().startsWith(provider.issuer)).toBe(true);
  await submit(page, user);
  await page.waitForURL(origin + path);
}

async function cookieField(): Promise<string> {
  const cookies = await context.cookies(origin);
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
}

describe('a browser that nobody knows', () => {
  it('logs in and comes back to the page that it wanted, with its query', async () => {
    const page = await context.newPage();
    await logIn(page, '/deep/link?x=1&y=%2F');
    expect(await page.textContent('h1')).toBe('Hello ada');
    expect(await page.textContent('p')).toBe('/deep/link?x=1&y=%2F');
    // The target gets the access token, and no cookie of the login.
    expect(await page.textContent('i')).toBe('none');
    expect(await page.textContent('b')).toMatch(/^Bearer .{20}/);
    const cookies = await context.cookies(origin);
    expect(cookies.map(({ name }) => name)).toEqual(['sluice-web']);
    expect(cookies[0]).toMatchObject({ httpOnly: true, sameSite: 'Lax' });
    expect(JSON.stringify(cookies)).not.toContain('ada');
  });

  it('logs in from two tabs at once, each with its own page', async () => {
    const one = await context.newPage();
    const two = await context.newPage();
    await one.goto(`${origin}/one`);
    await two.goto(`${origin}/two`);
    await submit(two, 'ada');
    await two.waitForURL(`${origin}/two`);
    await submit(one, 'ada');
    await one.waitForURL(`${origin}/one`);
    expect(await one.textContent('h1')).toBe('Hello ada');
  });

  it('is not sent anywhere by a callback that it has not begun, nor by one that was used', async () => {
    const page = await context.newPage();
    await logIn(page, '/first');
    const used = (await provider.record()).codes.at(-1) ?? '';
    expect(used).toContain('/login/callback?code=');
    // The state of one browser is nothing in another.
    const stranger = await browser.newContext();
    const other = await stranger.newPage();
    const reply = await other.goto(used);
    expect(reply?.status()).toBe(400);
    expect(await reply?.json()).toMatchObject({ code: 'GW_LOGIN_REFUSED' });
    expect(await stranger.cookies(origin)).toEqual([]);
    await stranger.close();
    // Whoever has logged in and goes back is sent to the start page.
    await page.goto(used);
    expect(page.url()).toBe(`${origin}/`);
  });

  it('is told when the provider refuses', async () => {
    const begun = await ask('/', { accept: 'text/html' });
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');
    const [cookie = ''] = (begun.headers.get('set-cookie') ?? '').split(';');
    const callback = `/login/callback?error=access_denied&state=${state}&iss=${provider.issuer}`;
    const reply = await ask(callback, { cookie });
    expect(reply.status).toBe(400);
    expect(await reply.text()).toContain('access_denied');
    // An answer of another issuer is none (RFC 9207).
    const mixed = await ask(`/login/callback?code=x&state=${state}&iss=https://other`, { cookie });
    expect(mixed.status).toBe(400);
  });
});

describe('a program, a script or a form', () => {
  it('gets 401 and never a redirect', async () => {
    const page = { accept: 'text/html' };
    for (const [headers, method] of [
      [{ accept: 'application/json' }],
      [{ ...page, 'x-requested-with': 'XMLHttpRequest' }],
      [{ ...page, 'sec-fetch-mode': 'cors' }],
      [{ ...page, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
      [{ ...page, 'sec-purpose': 'prefetch' }],
      [{ ...page, authorization: 'Bearer x' }],
      [page, 'POST'],
      [page, 'HEAD'],
    ] as const) {
      const reply = await ask('/api', headers, method);
      expect([reply.status, method, headers]).toEqual([401, method, headers]);
      expect(reply.headers.get('www-authenticate')).toBe('Login realm="sluice"');
      expect(reply.headers.get('location')).toBeNull();
      expect(reply.headers.get('set-cookie')).toBeNull();
    }
  });

  it('is not let in with a cookie that is changed, cut, too long, or from elsewhere', async () => {
    const page = await context.newPage();
    await logIn(page, '/');
    const cookie = await cookieField();
    expect((await ask('/', { cookie })).status).toBe(200);
    const middle = Math.floor(cookie.length / 2);
    const flipped = cookie[middle] === 'A' ? 'B' : 'A';
    for (const bad of [
      cookie.slice(0, -1),
      cookie.slice(0, middle),
      cookie.slice(0, middle) + flipped + cookie.slice(middle + 1),
      `${cookie}A`,
      cookie.replace('=1', '=3'),
      cookie.replace('=1', '=0'),
      `${cookie}; ${cookie}`,
      `sluice-web=1${'A'.repeat(8000)}`,
      'sluice-web=',
    ]) {
      const reply = await ask('/', { cookie: bad });
      expect([bad.slice(0, 40), reply.status]).toEqual([bad.slice(0, 40), 401]);
    }
    // A browser with such a cookie simply logs in again.
    const again = await ask('/', { cookie: 'sluice-web=1AAAA', accept: 'text/html' });
    expect(again.status).toBe(302);
  });
});

describe('the end of a session', () => {
  it('comes by a form of the page: here, in all workers, and at the provider', async () => {
    const page = await context.newPage();
    await logIn(page, '/');
    const cookie = await cookieField();
    await page.click('button');
    await page.waitForURL(`${provider.issuer}/session/end*`);
    await page.click('button[name=logout]');
    await page.waitForURL(`${provider.issuer}/interaction/*`);
    expect(await context.cookies(origin)).toHaveLength(1);
    // Whoever has kept the cookie has nothing of it, at whichever worker.
    const replies = await Promise.all(Array.from({ length: 20 }, () => ask('/', { cookie })));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]));
  });

  it('does not come from another site', async () => {
    const page = await context.newPage();
    await logIn(page, '/');
    const cookie = await cookieField();
    const elsewhere = { cookie, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    const asked = await ask('/login/logout', elsewhere);
    expect([asked.status, asked.headers.get('set-cookie')]).toEqual([200, null]);
    expect(await asked.text()).toContain('Do you want to log out?');
    expect((await ask('/login/logout', elsewhere, 'POST')).status).toBe(403);
    expect((await ask('/login/logout', { cookie }, 'POST')).status).toBe(403);
    expect((await ask('/', { cookie })).status).toBe(200);
  });

  it('comes from the provider, once for each token', async () => {
    const page = await context.newPage();
    await logIn(page, '/');
    const cookie = await cookieField();
    await page.goto(`${provider.issuer}/session/end`);
    await page.click('button[name=logout]');
    await eventually('the session has ended', async () => {
      return (await ask('/', { cookie })).status === 401;
    });
    const token = (await provider.record()).logoutTokens.at(-1) ?? '';
    const tell = (text: string): Promise<Response> =>
      fetch(`${origin}/login/backchannel`, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: text }),
      });
    const again = await tell(token);
    expect(again.status).toBe(400);
    expect(await again.json()).toMatchObject({ error_description: 'the token was used before' });
    expect((await tell(`${token.slice(0, -4)}AAAA`)).status).toBe(400);
    expect((await tell('nonsense')).status).toBe(400);
    await logIn(page, '/again');
  });
});

describe('a session whose tokens end', () => {
  it('is renewed once for all requests that come together', async () => {
    await provider.order({ firstSeconds: 1 });
    const renewals = async (): Promise<number> =>
      (await provider.record()).grants.filter((grant) => grant === 'refresh_token').length;
    const first = await renewals();
    const page = await context.newPage();
    const back = page.waitForResponse((reply) => reply.url().includes('/login/callback'));
    await logIn(page, '/');
    // The page itself may have had the session renewed already.
    const fields = await (await back).headersArray();
    const before = /sluice-web=[^;]+/.exec(JSON.stringify(fields))?.[0] ?? '';
    const burst = (): Promise<Response[]> =>
      Promise.all(Array.from({ length: 50 }, () => ask('/', { cookie: before })));
    let replies: Response[] = [];
    await eventually('the session is renewed', async () => {
      replies = await burst();
      return (await renewals()) > first;
    });
    replies = await burst();
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await renewals()).toBe(first + 1);
    const renewed = new Set(replies.map((reply) => reply.headers.get('set-cookie')));
    expect(renewed.size).toBe(1);
    const [cookie = ''] = [...renewed].map((field) => field?.split(';')[0] ?? '');
    expect(cookie).toMatch(/^sluice-web=1/);
    expect(cookie).not.toBe(before);
    const next = await ask('/', { cookie });
    expect([next.status, next.headers.get('set-cookie')]).toEqual([200, null]);
  });
});

describe('a provider in trouble', () => {
  for (const mood of ['garbage', 'silent'] as const) {
    it(`that is ${mood} makes logins fail with 503, and those who are in stay in`, async () => {
      const page = await context.newPage();
      await logIn(page, '/');
      const cookie = await cookieField();
      await provider.order({ mood });
      const stranger = await browser.newContext();
      const other = await stranger.newPage();
      await other.goto(`${origin}/page`);
      const refused = other.waitForResponse((reply) => reply.url().includes('/login/callback'));
      await submit(other, 'bob');
      expect((await refused).status()).toBe(503);
      await other.waitForURL(/login.callback/);
      expect((await ask('/', { cookie })).status).toBe(200);
      // With the provider back the same page goes on.
      await provider.order({ mood: 'well' });
      await other.reload();
      await other.waitForURL(`${origin}/page`);
      await stranger.close();
    });
  }

  it('that signs with a new key is believed', async () => {
    await provider.order({ newKey: true });
    const page = await context.newPage();
    await logIn(page, '/');
    expect(await page.textContent('h1')).toBe('Hello ada');
  });
});
