/**
 * The dashboard in a real browser, while the gateway is under load: everything is there, nothing
 * lies over anything else, and nothing comes from elsewhere. With SCREENSHOTS=FOLDER the pages are
 * kept there, for people to look at.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { aConfig, JWT_SECRET } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { signHs256 } from '../support/hs256-token.js';
import { Load } from '../support/load.js';

const { SCREENSHOTS = '' } = process.env;
const SIZES = {
  wide: { width: 1280, height: 900 },
  tablet: { width: 820, height: 1100 },
  phone: { width: 390, height: 844 },
} as const;

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let browser: Browser;
let page: Page;
let loads: Load[];
const urls: string[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    request.resume();
    if (request.url?.includes('bad')) response.statusCode = 503;
    if (request.url === '/stored') response.setHeader('cache-control', 'max-age=60');
    if (request.url === '/long') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(Array.from({ length: 1000 }, (_, id) => ({ id }))));
      return;
    }
    const lateMs = request.url?.includes('slow') ? 60 : 1;
    // A reply that takes a while is what the latency chart is about.
    setTimeout(() => response.end('ok'), lateMs);
  });
  const { routes, upstreams } = aConfig([upstream.url, 'http://127.0.0.1:2'], {
    upstream: { circuitBreaker: { failureThreshold: 3, failureOn: ['connectFailure'] } },
  }) as { routes: object[]; upstreams: object };
  const sick = { targets: [{ url: upstream.url }], healthCheck: { type: 'http', path: '/bad' } };
  gateway = await GatewayProcess.start({
    workers: 2,
    logging: { accessLog: false },
    authenticators: { users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET } },
    upstreams: { ...upstreams, sick },
    routes: [
      ...routes,
      {
        name: 'limited-by-the-name-of-the-user-and-the-address',
        match: { path: '/limited' },
        upstream: 'api',
        rateLimit: [
          { limit: 5, window: '10s', key: 'clientIp' },
          { maxInFlight: 100, key: 'clientIp' },
        ],
      },
      { name: 'users', match: { path: '/users/*' }, upstream: 'api', authenticate: ['users'] },
      { name: 'stored', match: { path: '/stored' }, upstream: 'api', cache: true },
      {
        name: 'long',
        match: { path: '/long' },
        upstream: 'api',
        compression: { encodings: ['gzip'] },
      },
      { name: 'sick', match: { path: '/sick' }, upstream: 'sick' },
      {
        name: 'staff',
        match: { path: '/staff' },
        upstream: 'api',
        authenticate: ['users'],
        authorize: { scopes: ['staff'] },
      },
    ],
  });
  browser = await launchBrowser();
  const paths = ['/ok', '/slow', '/bad', '/limited', '/users/7', '/sick', '/stored'];
  loads = paths.map((path) => new Load(`${gateway.url}${path}`, path === '/ok' ? 8 : 1));
  await (await fetch(`${gateway.url}/long`, { headers: { 'accept-encoding': 'gzip' } })).text();
  await (await fetch(`${gateway.url}/stored`, { method: 'POST' })).text();
  page = await browser.newPage();
  page.on('request', (request) => urls.push(request.url()));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${gateway.adminUrl}/`);
  await page.waitForFunction(() => Number(document.body.dataset['updates']) >= 4);
});

afterAll(async () => {
  await Promise.all((loads ?? []).map((load) => load.stop()));
  await browser?.close();
  await gateway?.kill();
  await upstream?.close();
});

async function show(size: keyof typeof SIZES, colorScheme: 'light' | 'dark'): Promise<void> {
  await page.setViewportSize(SIZES[size]);
  await page.emulateMedia({ colorScheme });
  // Charts are drawn anew for the new width.
  await page.waitForFunction(() => {
    const box = document.querySelector('#traffic');
    const width = document.querySelector('#traffic svg')?.getAttribute('viewBox')?.split(' ')[2];
    return Math.abs(Number(width) - (box?.clientWidth ?? 0)) < 1;
  });
  if (SCREENSHOTS === '') return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  const path = join(SCREENSHOTS, `dashboard-${size}-${colorScheme}.png`);
  await page.screenshot({ path, fullPage: true });
}

/** Pairs of parts of the page that lie over one another, and text that leaves its box. */
function findClashes(): string[] {
  const found: string[] = [];
  const boxes = [...document.querySelectorAll('header > *, .tile, .card')].map((element) => ({
    name: `${element.tagName}.${element.className} ${element.textContent?.slice(0, 20)}`,
    box: element.getBoundingClientRect(),
  }));
  for (const [at, one] of boxes.entries()) {
    for (const other of boxes.slice(at + 1)) {
      const isApart =
        one.box.right <= other.box.left + 0.5 ||
        other.box.right <= one.box.left + 0.5 ||
        one.box.bottom <= other.box.top + 0.5 ||
        other.box.bottom <= one.box.top + 0.5;
      if (!isApart) found.push(`${one.name} lies over ${other.name}`);
    }
  }
  for (const element of document.querySelectorAll('.tile b, .tile span, h1, h2, th, td')) {
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
      found.push(`${element.textContent} does not fit`);
    }
  }
  if (document.documentElement.scrollWidth > window.innerWidth) found.push('the page is too wide');
  return found;
}

/** Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3). */
function findPaleTexts(): string[] {
  const channels = (colour: string): number[] =>
    (colour.match(/[\d.]+/g) ?? []).map(Number).slice(0, 4);
  const luminance = (colour: string): number => {
    const [r = 0, g = 0, b = 0] = channels(colour).map((channel) => {
      const share = channel / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element: Element | null): string => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((channels(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = document.querySelectorAll(
    'h1, h2, small, td span, th, .tile *, svg text, header p',
  );
  return [...texts].flatMap((element) => {
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [one, other] = [luminance(colour), luminance(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return contrast < 4.5 ? [`${element.textContent}: ${contrast.toFixed(2)}`] : [];
  });
}

describe('the dashboard', () => {
  it.each([
    ['wide', 'light'],
    ['wide', 'dark'],
    ['tablet', 'light'],
    ['phone', 'dark'],
    ['phone', 'light'],
  ] as const)('fits and can be read: %s, %s', async (size, colorScheme) => {
    await show(size, colorScheme);
    expect(await page.evaluate(findClashes)).toEqual([]);
    expect(await page.evaluate(findPaleTexts)).toEqual([]);
    expect(complaints).toEqual([]);
    const elsewhere = urls.filter((url) => !url.startsWith(`${gateway.adminUrl}/`));
    expect(elsewhere).toEqual([]);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(background).toBe(colorScheme === 'dark' ? 'rgb(18, 22, 29)' : 'rgb(244, 245, 247)');
  });

  it('shows traffic, errors and latency, and they move', async () => {
    await show('wide', 'light');
    for (const id of ['traffic', 'errors', 'latency']) {
      const paths = page.locator(`#${id} path`);
      const shapes = await paths.evaluateAll((all) =>
        all.map((one) => one.getAttribute('d') ?? ''),
      );
      expect(shapes.length).toBeGreaterThanOrEqual(2);
      for (const shape of shapes) expect(shape).toMatch(/^M[\d.]+ [\d.]+L/);
      const heights = shapes.flatMap((shape) => shape.match(/ [\d.]+/g) ?? []);
      expect(new Set(heights).size, `${id} is no flat line`).toBeGreaterThan(1);
    }
    const [tile] = await page.locator('.tile b').allTextContents();
    expect(Number.parseFloat(tile ?? '')).toBeGreaterThan(1);
    const total = () => page.locator('#routes tr', { hasText: 'all' }).first().innerText();
    const before = await total();
    await eventually('the figures move', async () => (await total()) !== before);
  });

  it('shows routes, targets and why they are down, limits, lanes, threads and refusals', async () => {
    await show('wide', 'light');
    const text = (id: string) => page.locator(`#${id}`).innerText();
    expect(await text('routes')).toContain('limited-by-the-name-of-the-user-and-the-address');
    const targets = await text('targets');
    expect(targets).toMatch(
      /127\.0\.0\.1:2\s+api\s+open\s+OPEN\s+(consecutiveFailures|probeFailed), since/,
    );
    expect(targets).toMatch(/sick\s+unhealthy\s+CLOSED\s+healthCheck: unexpectedStatus/);
    expect(await text('limits')).toMatch(/5 in 10 s/);
    expect(await text('keys')).toMatch(/127\.0\.0\.1\s+limited/);
    const cache = await text('cache');
    expect(cache).toMatch(/hits\s+[\d.]+k?\s+[\d.]+k?\s+[\d.]+ % of what may be stored/);
    expect(cache).toMatch(/misses\s+0\s+\d+\s+uri-miss \d+/);
    expect(cache).toMatch(/bypassed\s+0\s+1\s+method 1/);
    expect(cache).toMatch(/memory\s+\d+ B\s+of 6\d\.\d MiB/);
    expect(cache).toMatch(/entries\s+[12]\s/);
    expect(await text('compression')).toMatch(/gzip\s+1\s+1\d KiB\s+\d KiB\s+\d\d\.\d %/);
    expect(await text('lanes')).toMatch(/0\s+yes/);
    expect(await text('threads')).toMatch(/acceptor[\s\S]*worker-0[\s\S]*worker-1/);
    const refusals = await text('refusals');
    expect(refusals).toContain('GW_UNAUTHORIZED');
    expect(refusals).toContain('GET /users/7');
    expect(await text('about')).toMatch(/configuration 1$/);
    expect(await text('state')).toBe('ready');
  });

  it('says so when the gateway is gone, and goes on when it is back', async () => {
    await page.route('**/stats', (route) => route.abort());
    await eventually('it says so', async () =>
      (await page.locator('#state').innerText()).startsWith('no answer'),
    );
    await page.unroute('**/stats');
    await eventually(
      'it goes on',
      async () => (await page.locator('#state').innerText()) === 'ready',
    );
  });

  it('reads the figures where its URL has a password, as behind a proxy that wants one', async () => {
    await page.goto(`${gateway.adminUrl.replace('//', '//ada:secret@')}/dashboard`);
    await eventually('it is drawn', async () => {
      return (await page.locator('#state').innerText()) === 'ready';
    });
  });

  it('shows markup of clients as text', async () => {
    const sub = '<img id="injected" src="x">\n<b>';
    const token = signHs256({ sub, exp: Math.floor(Date.now() / 1000) + 600 });
    const headers = { authorization: `Bearer ${token}` };
    // Refusals are a sample: one of these is noted.
    await eventually('it is among the refusals', async () => {
      expect((await fetch(`${gateway.url}/staff`, { headers })).status).toBe(403);
      return page.evaluate(() => document.body.innerText.includes('<img id="injected"'));
    });
    expect(await page.evaluate(() => document.querySelector('#injected'))).toBeNull();
  });

  it('lets no script or page of others in', async () => {
    const reply = await fetch(`${gateway.adminUrl}/dashboard`);
    const policy = reply.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const isRun = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.isInjected = true';
      document.body.append(script);
      return 'isInjected' in window;
    });
    expect(isRun).toBe(false);
  });
});
