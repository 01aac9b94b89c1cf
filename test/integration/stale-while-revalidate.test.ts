/**
 * What is stale goes out at once, and one request of the gateway's own asks whether it is still
 * good: seen from clients and targets of a whole gateway with two workers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-of-the-admin';
const STALE = 'max-age=0, stale-while-revalidate=600';

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let asked: { request: IncomingMessage; response: ServerResponse }[] = [];
let run = 0;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  gateway = await GatewayProcess.start(configOf(upstream.url), { GATEWAY_CHAOS: '1' });
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

function configOf(url: string): Readonly<Record<string, unknown>> {
  return {
    workers: 2,
    admin: { port: 0, token: TOKEN },
    upstreams: {
      api: {
        targets: [{ url }],
        retry: { attempts: 1, on: [503] },
        circuitBreaker: { failureThreshold: 1000 },
      },
      impatient: { targets: [{ url }], timeouts: { perTry: '1500ms' }, retry: { attempts: 0 } },
    },
    routes: [
      {
        name: 'impatient',
        match: { path: '/impatient/*' },

        upstream: 'impatient',
        cache: true,
      },
      {
        name: 'all',
        match: { path: '/*' },

        upstream: 'api',
        cache: true,
      },
      {
        name: 'default',
        match: { path: '/default/*' },

        upstream: 'api',
        cache: { staleWhileRevalidate: '1h' },
        rewrite: { headers: { set: { 'x-edited': 'yes' } } },
      },
    ],
  };
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly said: string;
}

async function ask(path: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(`${gateway.url}${path}`, init);
  const said = response.headers.get('cache-status') ?? '';
  return { status: response.status, body: await response.text(), said };
}

function answer(status: number, fields: Readonly<Record<string, string>>, body = ''): void {
  upstream.script = (request, response) => {
    asked.push({ request, response });
    response.writeHead(status, fields);
    response.end(body);
  };
}

/** The target takes requests and says nothing. */
function hang(): void {
  upstream.script = (request, response) => {
    asked.push({ request, response });
  };
}

/** A path whose stored reply is stale. */
async function stale(prefix = '', control = STALE): Promise<string> {
  run += 1;
  const path = `${prefix}/${run}`;
  answer(200, { 'cache-control': control, etag: '"v1"' }, 'old');
  await ask(path);
  asked = [];
  return path;
}

async function metric(name: string): Promise<number> {
  const response = await fetch(`${gateway.adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  const line = new RegExp(`^gateway_${name}(?:\\{[^}]*\\})? (\\d+)`, 'm').exec(
    await response.text(),
  );
  return Number(line?.[1] ?? Number.NaN);
}

beforeEach(() => {
  asked = [];
});

describe('a reply that is stale and may be used while it is validated', () => {
  it('answers a herd at once, and its target gets one conditional request', async () => {
    const path = await stale();
    hang();
    const all = await Promise.all(Array.from({ length: 200 }, () => ask(path)));
    for (const { status, body, said } of all) {
      expect([status, body]).toEqual([200, 'old']);
      expect(said).toMatch(/^sluice; hit; ttl=-?\d+; detail=revalidating$/);
    }
    await eventually('the target is asked', () => asked.length > 0);
    expect(asked.length).toBe(1);
    expect(asked[0]?.request.headers['if-none-match']).toBe('"v1"');
    asked[0]?.response.writeHead(304, { 'cache-control': 'max-age=600', etag: '"v1"' }).end();
    await eventually('it is fresh', async () => /hit; ttl=[1-9]/.test((await ask(path)).said));
    expect(asked.length).toBe(1);
  });

  it('is replaced by what its target has now', async () => {
    const path = await stale();
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    const first = await ask(path, { headers: { 'if-none-match': '"other"', range: 'bytes=0-0' } });
    expect([first.status, first.body]).toEqual([206, 'o']);
    await eventually('the new one answers', async () => (await ask(path)).body === 'new');
    const { headers } = (asked[0] as { request: IncomingMessage }).request;
    expect([headers.range, headers['if-none-match']]).toEqual([undefined, '"v1"']);
    expect(asked.length).toBe(1);
  });

  it('is asked for by GET, with what the route edits, where HEAD has met it', async () => {
    const path = await stale('/default', 'max-age=0');
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    expect((await ask(path, { method: 'HEAD' })).said).toContain('detail=revalidating');
    await eventually('the new one answers', async () => (await ask(path)).body === 'new');
    expect(asked.map(({ request }) => [request.method, request.headers['x-edited']])).toEqual([
      ['GET', 'yes'],
    ]);
  });

  it('stays where its target fails, after the retries of the route', async () => {
    const path = await stale();
    const failures = await metric('cache_refresh_failures_total');
    answer(503, { 'cache-control': 'max-age=600' }, 'down');
    expect((await ask(path)).body).toBe('old');
    await eventually(
      'it has failed',
      async () => (await metric('cache_refresh_failures_total')) > failures,
    );
    expect(asked.length).toBe(2);
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    expect((await ask(path)).body).toBe('old');
    await eventually('the new one answers', async () => (await ask(path)).body === 'new');
  });

  it('is gone where its target has something that may not be stored', async () => {
    const path = await stale();
    answer(200, { 'cache-control': 'no-store' }, 'private');
    expect((await ask(path)).body).toBe('old');
    await eventually('the target answers', async () => (await ask(path)).body === 'private');
  });

  it('keeps no connections where its target hangs, and is asked for again after that', async () => {
    const path = await stale('/impatient');
    hang();
    await Promise.all(Array.from({ length: 50 }, () => ask(path)));
    await eventually('the target is asked', () => asked.length > 0);
    // However often it is asked for, there is one at a time; its target may not have heard yet that
    // the one before was given up.
    await eventually('the gateway gives up', async () => {
      await ask(path);
      const open = asked.filter(({ request }) => !request.socket.destroyed);
      expect(open.length).toBeLessThan(3);
      return asked[0]?.request.socket.destroyed === true;
    });
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    await eventually('the new one answers', async () => (await ask(path)).body === 'new');
  });

  it('does not answer where s-maxage forbids it, unless its route says otherwise', async () => {
    const control = 's-maxage=0, stale-while-revalidate=600';
    const strict = await stale('', control);
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    expect((await ask(strict)).body).toBe('new');
    for (const one of [control, 's-maxage=0']) {
      const path = await stale('/default', one);
      answer(200, { 'cache-control': 'max-age=600' }, 'new');
      const { body, said } = await ask(path);
      expect([body, said]).toEqual(['old', expect.stringContaining('detail=revalidating')]);
      await eventually('the new one answers', async () => (await ask(path)).body === 'new');
    }
    const revalidated = await stale('/default', 's-maxage=0, proxy-revalidate');
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    expect((await ask(revalidated)).body).toBe('new');
  });

  it('does not answer where the reply forbids it', async () => {
    const path = await stale('', `${STALE}, must-revalidate`);
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    expect((await ask(path)).body).toBe('new');
  });

  it('is refreshed across a reload, and a worker that dies in the middle takes nothing along', async () => {
    const path = await stale();
    hang();
    await ask(path);
    await eventually('the target is asked', () => asked.length === 1);
    gateway.rewrite({ ...configOf(upstream.url), logging: { level: 'warn' } });
    expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
    asked[0]?.response.writeHead(200, { 'cache-control': 'max-age=600' }).end('new');
    await eventually('the new one answers', async () => (await ask(path)).body === 'new');
    const other = await stale();
    hang();
    await ask(other);
    await eventually('the target is asked', () => asked.length === 1);
    answer(200, { 'cache-control': 'max-age=600' }, 'new');
    for (const worker of [0, 1]) {
      await fetch(`${gateway.adminUrl}/chaos/worker/${worker}/crash`, { method: 'POST' });
    }
    const isNew = async (): Promise<boolean> => {
      const reply = await ask(other).catch(() => null);
      return reply?.body === 'new';
    };
    await eventually('the new one answers', isNew);
  });
});

describe('a gateway that ends', () => {
  it('does not wait for what is asked behind a reply', async () => {
    const own = await GatewayProcess.start(configOf(upstream.url));
    answer(200, { 'cache-control': STALE }, 'old');
    await fetch(`${own.url}/last`).then((response) => response.text());
    asked = [];
    hang();
    await fetch(`${own.url}/last`).then((response) => response.text());
    await eventually('the target is asked', () => asked.length === 1);
    await own.stop();
    expect(own.exitCode).toBe(0);
  });
});
