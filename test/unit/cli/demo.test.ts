import { afterEach, describe, expect, it } from 'vitest';
import { DEMO_CONFIG_TEXT, demoEnvironment } from '../../../src/cli/demo-config.js';
import { type DemoUpstreams, startDemoUpstreams } from '../../../src/cli/demo-upstreams.js';
import { formatRoutes } from '../../../src/cli/routes.js';
import { loadConfigText } from '../../../src/config/source/load-config.js';
import { compileConfig } from '../../support/compile-config.js';

const SECRET = '0123456789abcdef0123456789abcdef';
const URLS = ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3'] as const;

describe('the demo configuration', () => {
  const load = (environment: Record<string, string> = {}) =>
    compileConfig(
      loadConfigText(DEMO_CONFIG_TEXT, {
        file: 'demo.yaml',
        environment: demoEnvironment({ urls: URLS }, SECRET, environment),
      }),
    );

  it('has a public, a protected and a balanced route', () => {
    expect(formatRoutes(load())).toBe(
      [
        'METHODS  PATH           NAME      UPSTREAM  AUTH    LIMIT',
        'GET      /api/products  products  products  public  -',
        'GET      /api/public    public    api       public  -',
        'GET      /api/users/*   users     api       users   5 per 10s by consumer',
        '',
      ].join('\n'),
    );
  });

  it('balances over all three servers', () => {
    const { upstreams, targets } = load();
    const products = upstreams.find(({ name }) => name === 'products');
    const hosts = products?.targetIndexes.map((index) => targets[index]?.origin);
    expect(hosts).toEqual(URLS);
  });

  it('lets the environment choose ports', () => {
    expect(load({ GATEWAY_PORT: '0' }).listeners[0]?.address).toMatchObject({ port: 0 });
  });
});

describe('the demo upstreams', () => {
  let upstreams: DemoUpstreams | undefined;
  afterEach(() => upstreams?.close());

  it('answer with their name and what they were sent', async () => {
    upstreams = await startDemoUpstreams();
    const replies = await Promise.all(
      upstreams.urls.map(async (url) => {
        const headers = { via: '1.1 test', authorization: 'Bearer x' };
        const reply = await fetch(`${url}/api/things?x=1`, { headers });
        expect(reply.headers.get('content-type')).toBe('application/json');
        return [reply.status, await reply.json()];
      }),
    );
    expect(replies).toMatchObject(
      ['alpha', 'beta', 'gamma'].map((server) => [
        200,
        { server, method: 'GET', path: '/api/things?x=1', headers: { via: '1.1 test' } },
      ]),
    );
    expect(JSON.stringify(replies)).not.toContain('Bearer');
  });

  it('listen on loopback only, each on a port of its own', async () => {
    upstreams = await startDemoUpstreams();
    expect(new Set(upstreams.urls).size).toBe(3);
    for (const url of upstreams.urls) expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('know nothing but the API, and take bodies without reading them', async () => {
    upstreams = await startDemoUpstreams();
    const [url] = upstreams.urls;
    expect((await fetch(`${url}/other`)).status).toBe(404);
    const reply = await fetch(`${url}/api/x`, { method: 'POST', body: 'x'.repeat(100_000) });
    expect(await reply.json()).toMatchObject({ method: 'POST' });
  });

  it('are gone after close', async () => {
    const { urls, close } = await startDemoUpstreams();
    await fetch(`${urls[0]}/api/x`).then((reply) => reply.text());
    await close();
    await expect(fetch(`${urls[0]}/api/x`)).rejects.toThrow();
  });
});
