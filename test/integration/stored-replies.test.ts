/**
 * Replies from memory through a whole gateway: what clients and targets see of them.
 */
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-of-the-admin';

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let count = 0;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  gateway = await GatewayProcess.start(
    {
      workers: 2,
      admin: { port: 0, token: TOKEN },
      cache: { memory: '16MiB' },
      upstreams: {
        api: {
          targets: [{ url: upstream.url }],
          retry: { attempts: 0 },
          circuitBreaker: { failureThreshold: 1000 },
        },
        closed: {
          targets: [{ url: 'http://127.0.0.1:1' }],
          retry: { attempts: 0 },
          circuitBreaker: { failureThreshold: 1 },
        },
      },
      via: 'replies',
      routes: [
        {
          name: 'all',
          match: { path: '/*' },

          upstream: 'api',
          cache: { staleIfError: '1h', maxEntryBytes: '2MiB', collapse: { timeout: '60s' } },
          rewriteReply: { headers: { set: { 'x-by': 'sluice' } } },
        },
        {
          name: 'coded',
          match: { path: '/coded/*' },

          upstream: 'api',
          cache: true,
          compression: { encodings: ['br', 'gzip'], minBytes: 16 },
          rewriteReply: { body: { remove: ['/secret'] } },
        },
        {
          name: 'socket',
          match: { path: '/socket/*' },

          upstream: 'api',
          cache: true,
          websocket: true,
        },
        {
          name: 'page',
          match: { path: '/page/*' },

          upstream: 'api',
          cache: true,
          errors: { '404': { html: '<p>{{status}}</p>' } },
          upstreamErrors: [404],
        },
        { name: 'counted', match: { path: '/counted/*' }, upstream: 'api', cache: true },
        {
          name: 'closed',
          match: { path: '/closed/*' },

          upstream: 'closed',
          cache: true,
        },
        {
          name: 'open',
          match: { path: '/open/*' },

          upstream: 'api',
          cache: { key: { query: ['id'], headers: ['x-tenant'] }, clientMayBypass: true },
        },
      ],
    },
    { GATEWAY_CHAOS: '1' },
  );
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

/** Answers with its number, and with these fields. */
function answerWith(fields: Readonly<Record<string, string>>, status = 200): void {
  upstream.script = (request, response) => {
    count += 1;
    request.resume();
    response.writeHead(status, { 'content-type': 'text/plain', ...fields });
    response.end(`reply ${count} to ${request.url}`);
  };
}

let run = 0;
/** A path that no case before has asked for. */
function fresh(prefix = ''): string {
  run += 1;
  return `${prefix}/${run}`;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}

async function ask(path: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(`${gateway.url}${path}`, init);
  return { status: response.status, body: await response.text(), headers: response.headers };
}

async function purge(order: object): Promise<number> {
  const response = await fetch(`${gateway.adminUrl}/cache/purge`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(order),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { purged: number }).purged;
}

beforeEach(() => {
  count = 0;
  answerWith({ 'cache-control': 'max-age=60' });
});

describe('a route with a cache', () => {
  it('answers every worker from memory, with Age and Cache-Status, through its filters', async () => {
    const path = fresh();
    const first = await ask(path);
    expect(first.headers.get('cache-status')).toBe('sluice; fwd=uri-miss; fwd-status=200; stored');
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(path)));
    for (const { body, headers } of all) {
      expect(body).toBe(first.body);
      expect(headers.get('cache-status')).toMatch(/^sluice; hit; ttl=[3-6]\d$/);
      expect(Number(headers.get('age'))).toBeLessThan(30);
      expect(headers.get('date')).toBe(first.headers.get('date'));
      expect(headers.get('x-by')).toBe('sluice');
    }
    expect(count).toBe(1);
  });

  it('sends one request for a thousand that come at once', async () => {
    const path = fresh();
    const waiting: ServerResponse[] = [];
    upstream.script = (_, response) => {
      count += 1;
      waiting.push(response);
    };
    const all = Promise.all(Array.from({ length: 1000 }, () => ask(path)));
    await eventually('the target is asked', () => waiting.length > 0);
    const [response] = waiting;
    response?.writeHead(200, { 'cache-control': 'max-age=60' });
    response?.end('one for all');
    expect(new Set((await all).map(({ body }) => body))).toEqual(new Set(['one for all']));
    expect(count).toBe(1);
  }, 60_000);

  it('lets all go on when a reply may not be stored', async () => {
    const path = fresh();
    answerWith({ 'cache-control': 'no-store' });
    const all = await Promise.all(Array.from({ length: 50 }, () => ask(path)));
    expect(new Set(all.map(({ body }) => body)).size).toBe(50);
  });

  it('validates what is stale, and brings its fields up to date', async () => {
    const path = fresh();
    answerWith({ 'cache-control': 'max-age=0', etag: '"v1"', 'x-version': '1' });
    const { body } = await ask(path);
    const asked: (string | undefined)[] = [];
    upstream.script = (request, response) => {
      asked.push(request.headers['if-none-match']);
      response.writeHead(304, { 'cache-control': 'max-age=60', etag: '"v1"', 'x-version': '2' });
      response.end();
    };
    const validated = await ask(path, { headers: { 'if-none-match': '"other"' } });
    expect([validated.status, validated.body, asked]).toEqual([200, body, ['"v1"']]);
    expect(validated.headers.get('x-version')).toBe('2');
    expect(validated.headers.get('cache-status')).toContain('fwd=stale; fwd-status=304');
    expect((await ask(path)).headers.get('cache-status')).toContain('hit');
  });

  it('answers conditional requests, parts and HEAD', async () => {
    const path = fresh();
    answerWith({ 'cache-control': 'max-age=60', etag: '"v1"' });
    const { body } = await ask(path);
    const same = await ask(path, { headers: { 'if-none-match': '"x", W/"v1"' } });
    expect([same.status, same.body, same.headers.get('etag')]).toEqual([304, '', '"v1"']);
    const part = await ask(path, { headers: { range: 'bytes=0-4' } });
    expect([part.status, part.body]).toEqual([206, body.slice(0, 5)]);
    expect(part.headers.get('content-range')).toBe(`bytes 0-4/${body.length}`);
    const parts = await ask(path, { headers: { range: 'bytes=0-0,-1' } });
    expect(parts.headers.get('content-type')).toMatch(/^multipart\/byteranges; boundary=/);
    expect(parts.body).toContain(`Content-Range: bytes 0-0/${body.length}\r\n\r\n${body[0]}`);
    const none = await ask(path, { headers: { range: 'bytes=900-' } });
    expect([none.status, none.headers.get('content-range')]).toEqual([
      416,
      `bytes */${body.length}`,
    ]);
    const head = await ask(path, { method: 'HEAD' });
    expect([head.body, head.headers.get('content-length')]).toEqual(['', String(body.length)]);
    expect(count).toBe(1);
  });

  it('sends long bodies whole, at the pace of their clients', async () => {
    const path = fresh();
    const body = Buffer.alloc(1_500_000, 'abcdefghij');
    upstream.script = (_, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' });
      response.end(body);
    };
    await ask(path);
    const all = await Promise.all(Array.from({ length: 8 }, () => ask(path)));
    for (const one of all) {
      expect(one.headers.get('cache-status')).toContain('hit');
      expect(one.body === body.toString()).toBe(true);
    }
  });

  it('keeps variants apart', async () => {
    const path = fresh();
    answerWith({ 'cache-control': 'max-age=60', vary: 'accept-language' });
    const inLanguage = (language: string) =>
      ask(path, { headers: { 'accept-language': language } });
    const [german, french] = [await inLanguage('de'), await inLanguage('fr')];
    expect(french.body).not.toBe(german.body);
    expect([(await inLanguage('de')).body, (await inLanguage('fr')).body]).toEqual([
      german.body,
      french.body,
    ]);
  });

  it.each([
    ['credentials', { headers: { authorization: 'Bearer a' } }],
    ['a cookie', { headers: { cookie: 'a=b' } }],
  ])('stores nothing that was asked for with %s', async (_, init) => {
    const path = fresh();
    await ask(path, init);
    expect((await ask(path, init)).headers.get('cache-status')).toContain('fwd=uri-miss');
    expect(count).toBe(2);
  });

  it('forgets a path that was written to, and what the reply names', async () => {
    const [path, other] = [fresh(), fresh()];
    await Promise.all([ask(path), ask(`${path}?page=2`), ask(other)]);
    upstream.script = (request, response) => {
      request.resume();
      response.writeHead(201, { location: other });
      response.end();
    };
    await ask(path, { method: 'POST', body: 'x' });
    answerWith({ 'cache-control': 'max-age=60' });
    count = 10;
    for (const one of [path, `${path}?page=2`, other]) {
      expect((await ask(one)).headers.get('cache-status')).toContain('fwd=uri-miss');
    }
  });

  it('keeps a path whose write has failed', async () => {
    const path = fresh();
    await ask(path);
    answerWith({}, 422);
    await ask(path, { method: 'DELETE' });
    expect((await ask(path)).headers.get('cache-status')).toContain('hit');
  });

  it('answers with what is stale while its target fails or is gone', async () => {
    const path = fresh();
    answerWith({ 'cache-control': 'max-age=0', etag: '"v"' });
    const { body } = await ask(path);
    answerWith({}, 503);
    const failed = await ask(path);
    expect([failed.status, failed.body]).toEqual([200, body]);
    expect(failed.headers.get('cache-status')).toMatch(/^sluice; hit; ttl=-?\d+$/);
    upstream.script = (_, response) => response.destroy();
    const broken = await ask(path);
    expect([broken.status, broken.body]).toEqual([200, body]);
  });

  it('does not do so where the reply forbids it', async () => {
    const path = fresh();
    answerWith({ 'cache-control': 'max-age=0, must-revalidate', etag: '"v"' });
    await ask(path);
    answerWith({}, 503);
    expect((await ask(path)).status).toBe(503);
  });

  it('stores no reply that broke off', async () => {
    const path = fresh();
    upstream.script = (_, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': '100' });
      response.write('half', () => response.destroy());
    };
    await expect(ask(path)).rejects.toThrow();
    answerWith({ 'cache-control': 'max-age=60' });
    expect((await ask(path)).body).toContain('reply');
  });

  it('refuses only-if-cached where nothing answers', async () => {
    const reply = await ask(fresh(), { headers: { 'cache-control': 'only-if-cached' } });
    expect([reply.status, JSON.parse(reply.body).code]).toEqual([504, 'GW_NOT_CACHED']);
    expect(reply.headers.get('cache-status')).toBe('sluice; detail=only-if-cached');
    expect(count).toBe(0);
  });

  it('takes no orders of clients that it was not told to take', async () => {
    const path = fresh();
    await ask(path);
    const again = await ask(path, { headers: { 'cache-control': 'no-cache' } });
    expect(again.headers.get('cache-status')).toContain('hit');
    const open = fresh('/open');
    await ask(open);
    const obeyed = await ask(open, { headers: { 'cache-control': 'no-cache' } });
    expect(obeyed.headers.get('cache-status')).toContain('fwd=request');
  });

  it('looks at no more of a request than its key says', async () => {
    const open = fresh('/open');
    const first = await ask(`${open}?id=1&utm=a`);
    expect((await ask(`${open}?id=1&utm=b`)).body).toBe(first.body);
    expect((await ask(`${open}?id=2`)).body).not.toBe(first.body);
    expect((await ask(`${open}?id=1`, { headers: { 'x-tenant': 'b' } })).body).not.toBe(first.body);
  });

  it.each([
    'x-forwarded-host',
    'x-forwarded-scheme',
    'x-forwarded-prefix',
    'x-original-url',
    'x-rewrite-url',
    'x-http-method-override',
    'forwarded',
  ])('cannot be poisoned by %s, which the target does not get', async (name) => {
    const path = fresh();
    upstream.script = (request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' });
      response.end(JSON.stringify(request.headers));
    };
    await ask(path, { headers: { [name]: 'evil.example' } });
    const victim = await ask(path);
    expect(victim.headers.get('cache-status')).toContain('hit');
    expect(victim.body).not.toContain('evil.example');
  });
});

describe('a QUERY', () => {
  const query = (path: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
    ask(path, { method: 'QUERY', body, headers: { 'content-type': 'text/plain', ...headers } });

  it('is answered from memory by its body, and what says how that is to be read', async () => {
    const path = fresh();
    const first = await query(path, 'a');
    expect(first.headers.get('cache-status')).toContain('stored');
    const again = await query(path, 'a');
    expect([again.body, again.headers.get('cache-status')]).toEqual([
      first.body,
      expect.stringContaining('; hit'),
    ]);
    const others = [
      await query(path, 'b'),
      await query(path, 'a', { 'content-type': 'text/csv' }),
      await query(path, 'a', { 'content-encoding': 'x' }),
      await ask(path),
    ];
    for (const { headers } of others) expect(headers.get('cache-status')).toContain('fwd=uri-miss');
    expect(count).toBe(5);
  });

  it('is validated with its body, and passes the cache where that is long', async () => {
    const path = fresh();
    const bodies: string[] = [];
    upstream.script = (request, response) => {
      let body = '';
      request.on('data', (bytes: Buffer) => {
        body += bytes.toString();
      });
      request.on('end', () => {
        bodies.push(`${body.slice(0, 3)} ${request.headers['if-none-match']}`);
        const fields = { 'cache-control': 'max-age=0, stale-while-revalidate=60', etag: '"v"' };
        response.writeHead(bodies.length === 2 ? 304 : 200, fields).end();
      });
    };
    await query(path, 'sql');
    expect((await query(path, 'sql')).headers.get('cache-status')).toContain('fwd-status=304');
    expect(bodies).toEqual(['sql undefined', 'sql "v"']);
    const long = await query(path, 'x'.repeat(100_000));
    expect(long.headers.get('cache-status')).toContain('fwd=bypass');
  });
});

describe('a client that may bypass', () => {
  const askWith = (path: string, control: string) =>
    ask(path, { headers: { 'cache-control': control } });
  const said = async (path: string, control: string) =>
    (await askWith(path, control)).headers.get('cache-status');

  it('says how old and how stale what it gets may be', async () => {
    const path = fresh('/open');
    answerWith({ 'cache-control': 'max-age=60, stale-if-error=60', age: '30' });
    await ask(path);
    expect(await said(path, 'max-age=40, min-fresh=10')).toContain('; hit');
    expect(await said(path, 'max-age=20')).toContain('fwd=stale');
    expect(await said(path, 'min-fresh=40')).toContain('fwd=stale');
    const stale = fresh('/open');
    answerWith({ 'cache-control': 'max-age=60, stale-if-error=60', age: '70' });
    await ask(stale);
    expect(await said(stale, 'max-stale=60')).toMatch(/; hit; ttl=-1\d$/);
    expect(await said(stale, 'max-stale=5')).toContain('fwd=stale');
    expect((await askWith(fresh('/open'), 'only-if-cached')).status).toBe(504);
  });

  it('has nothing stored of what it asks for with no-store', async () => {
    const path = fresh('/open');
    expect(await said(path, 'no-store')).not.toContain('stored');
    expect(await said(path, 'max-age=60')).toContain('fwd=uri-miss');
  });
});

describe('a reply from memory', () => {
  it('says in Via how it came, as one of the target does', async () => {
    const path = fresh();
    const first = await ask(path);
    expect((await ask(path)).headers.get('via')).toBe(first.headers.get('via'));
  });

  it('passes the filters of replies, and is stored as it came', async () => {
    const path = fresh('/coded');
    answerWith({ 'cache-control': 'max-age=60', etag: '"v"', 'content-type': 'application/json' });
    upstream.script = (_, response) => {
      count += 1;
      response.writeHead(200, {
        ...{ 'cache-control': 'max-age=60', etag: '"v"', 'content-type': 'application/json' },
      });
      response.end(JSON.stringify({ secret: 'x', text: 'a'.repeat(200) }));
    };
    const ways = ['identity', 'gzip', 'br', 'gzip, br;q=0', 'identity'];
    for (const way of [...ways, ...ways]) {
      const one = await ask(path, { headers: { 'accept-encoding': way } });
      const coding = one.headers.get('content-encoding') ?? 'identity';
      expect(way).toContain(coding);
      expect(JSON.parse(one.body)).toEqual({ text: 'a'.repeat(200) });
      expect(one.headers.get('vary')?.toLowerCase()).toContain('accept-encoding');
      // A body that the gateway has changed is not the one that a strong validator names.
      if (coding !== 'identity') expect(one.headers.get('etag') ?? 'W/').toMatch(/^W\//);
    }
    expect(count).toBe(1);
    const same = await ask(path, {
      headers: { 'if-none-match': 'W/"v"', 'accept-encoding': 'gzip' },
    });
    expect([same.status, same.body]).toEqual([304, '']);
  });

  it('leaves a handshake of WebSockets to the target', async () => {
    const path = fresh('/socket');
    await ask(path);
    expect((await ask(path)).headers.get('cache-status')).toContain('; hit');
  });

  it('is no page for errors, and an error that is stored gets its page each time', async () => {
    const path = fresh('/page');
    answerWith({ 'cache-control': 'max-age=60' }, 404);
    for (const way of ['stored', '; hit']) {
      const page = await ask(path, { headers: { accept: 'text/html' } });
      expect([page.status, page.headers.get('cache-status')]).toEqual([
        404,
        expect.stringContaining(way),
      ]);
      expect(page.body).toBe('<p>404</p>');
    }
  });
});

describe('a miss that gets no target', () => {
  it('is told when to come again', async () => {
    let after = await ask(fresh('/closed'));
    expect(after.status).toBe(502);
    // The next request may come to another worker, and ask before the failure has been told.
    await eventually('the breaker is open', async () => {
      after = await ask(fresh('/closed'));
      return after.status === 503;
    });
    expect(JSON.parse(after.body).code).toBe('GW_CIRCUIT_OPEN');
    expect(Number(after.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('what the cache does', () => {
  type Counts = Readonly<Record<string, number>> | null;

  async function countsOf(route: string): Promise<Counts> {
    const { routes } = await gateway.stats<{ routes: Record<string, { cache: Counts }> }>();
    return routes[route]?.cache ?? null;
  }

  it('is counted by route', async () => {
    const path = fresh('/counted');
    expect(await countsOf('counted')).toBeNull();
    const before = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(before.includes('route="counted",result=')).toBe(false);
    await Promise.all([ask(path), ask(path)]);
    await ask(path);
    await ask(path, { method: 'POST', body: 'x' });
    answerWith({ 'cache-control': 'max-age=0', etag: '"v"' });
    await ask(path);
    upstream.script = (_, response) => void response.writeHead(304, { etag: '"v"' }).end();
    await ask(path);
    let counts: Counts = null;
    await eventually('all are counted', async () => {
      counts = await countsOf('counted');
      return counts?.['revalidated'] === 1;
    });
    const [both = {}] = [counts ?? {}];
    expect(both).toMatchObject({ stale: 0, revalidated: 1, miss: 2, bypass: 1, hit: 2 });
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    const line = 'gateway_cache_requests_total{route="counted",result="';
    for (const [result, count] of Object.entries(both)) {
      const text =
        result === 'collapsed'
          ? `gateway_cache_collapsed_requests_total{route="counted"} ${count}`
          : `${line}${result}"} ${count}`;
      expect(metrics.split('\n').includes(text), text).toBe(true);
    }
  });
});

describe('a purge', () => {
  it('takes replies away by URL, prefix, route and group', async () => {
    const [a, b, open] = [fresh('/purge'), fresh('/purge'), fresh('/open')];
    answerWith({ 'cache-control': 'max-age=60', 'cache-groups': '"red", "blue"' });
    const askAll = () => Promise.all([a, b, open].map((path) => ask(path)));
    await askAll();
    expect(await purge({ url: `${gateway.url}${a}` })).toBe(1);
    await askAll();
    expect(await purge({ prefix: `${gateway.url}/purge/` })).toBe(2);
    await askAll();
    expect(await purge({ route: 'open' })).toBeGreaterThan(0);
    expect((await ask(open)).headers.get('cache-status')).toContain('fwd=uri-miss');
    await askAll();
    expect(await purge({ group: 'blue' })).toBe(3);
    expect((await ask(a)).headers.get('cache-status')).toContain('fwd=uri-miss');
    expect(await purge({ all: true })).toBeGreaterThan(0);
  });

  it('makes them stale, if it is soft', async () => {
    const path = fresh('/soft');
    answerWith({ 'cache-control': 'max-age=60', etag: '"v"' });
    await ask(path);
    await purge({ url: `${gateway.url}${path}`, soft: true });
    expect((await ask(path)).headers.get('cache-status')).toContain('fwd=stale; fwd-status=200');
  });

  it.each(['', '[]', '{}', '{"url":1}', '{"all":false}', '{"url":"a","all":true}'])(
    'refuses %s',
    async (body) => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      const init = { method: 'POST', headers, body };
      expect((await fetch(`${gateway.adminUrl}/cache/purge`, init)).status).toBe(400);
    },
  );

  it('needs the token', async () => {
    const init = { method: 'POST', body: '{"all":true}' };
    expect((await fetch(`${gateway.adminUrl}/cache/purge`, init)).status).toBe(401);
  });
});

describe('a worker that dies', () => {
  it('leaves what it has stored to the others and to its successor', async () => {
    const path = fresh();
    const { body } = await ask(path);
    for (const worker of [0, 1]) {
      await fetch(`${gateway.adminUrl}/chaos/worker/${worker}/crash`, { method: 'POST' });
    }
    const isServed = async (): Promise<boolean> => {
      const again = await ask(path).catch(() => null);
      return again !== null && again.status === 200;
    };
    await eventually('workers serve again', isServed);
    const again = await ask(path);
    expect([again.body, again.headers.get('cache-status')]).toEqual([
      body,
      expect.stringContaining('hit'),
    ]);
  });
});
