/** Requests that go on to another upstream, through a whole gateway. */
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess, type LogRecord } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

/** The breaker stays out of what is not about it. */
const NO_BREAKER = { circuitBreaker: { failureThreshold: 1000 } };

interface FallbackRow {
  readonly route: string;
  readonly upstreams: readonly { readonly upstream: string; readonly requests: number }[];
  readonly refused: number;
}

let first: FakeUpstream;
let second: FakeUpstream;
let third: FakeUpstream;
/** Takes connections, and says nothing. */
let silent: Server;
let gateway: GatewayProcess;

beforeAll(async () => {
  [first, second, third] = await Promise.all([
    FakeUpstream.start(),
    FakeUpstream.start(),
    FakeUpstream.start(),
  ]);
  silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const quiet = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const dead = await closedUrl();
  const route = (name: string, upstream: string, more: object = {}) => ({
    name,
    match: { path: `/${name}/*` },
    upstream,
    fallback: ['second', 'third'],
    ...more,
  });
  gateway = await GatewayProcess.start({
    listen: { port: 0 },
    admin: { port: 0 },
    workers: 2,
    cache: { memory: '8MiB' },
    upstreams: {
      first: { targets: [{ url: first.url }], ...NO_BREAKER },
      again: { targets: [{ url: first.url }], ...NO_BREAKER, retry: { attempts: 2, on: [503] } },
      second: { targets: [{ url: second.url }], ...NO_BREAKER },
      third: { targets: [{ url: third.url }], ...NO_BREAKER },
      dead: { targets: [{ url: dead }], ...NO_BREAKER },
      broken: {
        targets: [{ url: dead }],
        circuitBreaker: { failureThreshold: 1, openFor: '1h' },
      },
      quiet: { targets: [{ url: quiet }], ...NO_BREAKER, timeouts: { response: '150ms' } },
    },
    routes: [
      route('plain', 'first'),
      route('again', 'again'),
      route('dead', 'dead'),
      route('broken', 'broken'),
      route('quiet', 'quiet'),
      route('only-503', 'first', { fallback: { upstreams: ['second'], on: [503] } }),
      route('bounded', 'quiet', { fallback: ['dead', 'third'], timeout: '1s' }),
      route('limited', 'first', { rateLimit: { limit: 3, window: '1h' } }),
      route('cached', 'first', { cache: { staleIfError: '1h' } }),
      route('no-more', 'dead', { fallback: ['broken'] }),
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  silent?.close();
  await Promise.all([first?.close(), second?.close(), third?.close()]);
});

afterEach(() => {
  for (const upstream of [first, second, third]) {
    upstream.script = (request, response) => upstream.echo(request, response);
    upstream.received.length = 0;
  }
});

const answer =
  (upstream: FakeUpstream, status: number, text: string, fields = {}): Script =>
  (request, response) =>
    upstream.keep(request, () => {
      response.writeHead(status, fields);
      response.end(text);
    });

async function ask(path: string, init: RequestInit = {}): Promise<[number, string]> {
  const reply = await fetch(`${gateway.url}${path}`, init);
  return [reply.status, await reply.text()];
}

const recordOf = async (target: string): Promise<LogRecord> => {
  const find = () => gateway.find('request').find((record) => record.target === target);
  await eventually(`the record of ${target}`, () => find() !== undefined);
  return find() as LogRecord;
};

async function rowOf(name: string): Promise<FallbackRow> {
  const { fallbacks } = await gateway.stats<{ fallbacks: FallbackRow[] }>();
  const row = fallbacks.find(({ route }) => route === name);
  if (row === undefined) throw new Error(`no row of ${name}`);
  return row;
}

describe('a request goes on to the next upstream', () => {
  it.each([429, 500, 502, 503])('after the first has answered %d', async (status) => {
    first.script = answer(first, status, 'no');
    second.script = answer(second, 200, 'from the second');
    const path = `/plain/after-${status}`;
    expect(await ask(path)).toEqual([200, 'from the second']);
    expect(second.received.map(({ url }) => url)).toEqual([path]);
    expect(await recordOf(path)).toMatchObject({
      ...{ status: 200, tries: 2, fallback: 'second' },
      upstreamTarget: new URL(second.url).host,
    });
  });

  it('after the retries of the first', async () => {
    first.script = answer(first, 503, 'no');
    second.script = answer(second, 200, 'from the second');
    expect(await ask('/again/a')).toEqual([200, 'from the second']);
    expect(first.received).toHaveLength(3);
    expect(await recordOf('/again/a')).toMatchObject({ tries: 4, fallback: 'second' });
  });

  it('after nobody was there', async () => {
    expect((await ask('/dead/a'))[0]).toBe(200);
    expect(await recordOf('/dead/a')).toMatchObject({ tries: 2, fallback: 'second' });
  });

  it('without a try while the breaker of the first is open', async () => {
    await eventually('the breaker is open for all workers', async () => {
      const path = `/broken/${Math.random()}`;
      expect((await ask(path))[0]).toBe(200);
      const { tries, fallback } = await recordOf(path);
      expect(fallback).toBe('second');
      return tries === 1;
    });
  });

  it('after the time of the first, each with its own', async () => {
    expect((await ask('/quiet/a'))[0]).toBe(200);
    expect(await recordOf('/quiet/a')).toMatchObject({ fallback: 'second', tries: 2 });
  });

  it('after a reply that broke off before any of its body', async () => {
    first.script = (request) => request.socket.destroy();
    expect((await ask('/plain/reset'))[0]).toBe(200);
    expect(await recordOf('/plain/reset')).toMatchObject({ fallback: 'second' });
  });

  it('and to the one after that, and gets the last reply when all have failed', async () => {
    first.script = answer(first, 500, 'first');
    second.script = answer(second, 502, 'second');
    third.script = answer(third, 503, 'third');
    expect(await ask('/plain/all')).toEqual([503, 'third']);
    expect(await recordOf('/plain/all')).toMatchObject({ tries: 3, fallback: 'third' });
    third.script = answer(third, 200, 'well');
    expect(await ask('/plain/last')).toEqual([200, 'well']);
  });

  it('and gets the failure of the gateway when nobody has said anything', async () => {
    const [status, text] = await ask('/no-more/a');
    expect([502, 503]).toContain(status);
    expect(text).toMatch(/GW_/);
    expect(await recordOf('/no-more/a')).toMatchObject({ fallback: 'broken' });
  });

  it('with the body that was collected, where it was refused', async () => {
    first.script = answer(first, 503, 'busy');
    const body = 'x'.repeat(60_000);
    expect((await ask('/plain/post', { method: 'POST', body }))[0]).toBe(200);
    expect(second.received.map((one) => one.body.toString())).toEqual([body]);
    expect((await ask('/dead/post', { method: 'POST', body }))[0]).toBe(200);
    expect(second.received).toHaveLength(2);
  });

  it('and counts once against its limits', async () => {
    first.script = answer(first, 500, 'no');
    const statuses = [];
    for (let nth = 0; nth < 4; nth += 1) statuses.push((await ask(`/limited/${nth}`))[0]);
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect(second.received).toHaveLength(3);
  });

  it('before a stored reply stands in for an error', async () => {
    first.script = answer(first, 200, 'stored', { etag: '"1"', 'cache-control': 'max-age=0' });
    expect(await ask('/cached/a')).toEqual([200, 'stored']);
    first.script = answer(first, 500, 'no');
    second.script = answer(second, 500, 'no');
    third.script = answer(third, 500, 'no');
    await eventually('it is stored for all workers', async () => {
      const [status, text] = await ask('/cached/a');
      return status === 200 && text === 'stored';
    });
    expect(third.received.length).toBeGreaterThan(0);
    second.script = answer(second, 200, 'from the second', { 'cache-control': 'no-store' });
    expect(await ask('/cached/a')).toEqual([200, 'from the second']);
  });

  it('which figures tell by route and upstream', async () => {
    const before = await rowOf('plain');
    first.script = answer(first, 500, 'no');
    second.script = answer(second, 500, 'no');
    await ask('/plain/counted');
    const counts = (row: FallbackRow) => row.upstreams.map(({ requests }) => requests);
    await eventually('both are counted', async () => {
      const [one = 0, two = 0] = counts(await rowOf('plain'));
      const [oneBefore = 0, twoBefore = 0] = counts(before);
      return one === oneBefore + 1 && two === twoBefore + 1;
    });
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/gateway_fallbacks_total\{route="plain",upstream="third"\} \d/);
    expect(metrics).toMatch(/gateway_fallbacks_refused_total\{route="plain"\} \d/);
  });
});

describe('a request stays', () => {
  it('where a status is not meant', async () => {
    first.script = answer(first, 500, 'as it is');
    expect(await ask('/only-503/a')).toEqual([500, 'as it is']);
    first.script = answer(first, 404, 'nothing here');
    expect(await ask('/plain/404')).toEqual([404, 'nothing here']);
    expect(second.received).toHaveLength(0);
  });

  it('where it may have been done and must not be done twice', async () => {
    first.script = answer(first, 500, 'half done');
    expect(await ask('/plain/once', { method: 'POST', body: 'pay' })).toEqual([500, 'half done']);
    expect(await recordOf('/plain/once')).toMatchObject({ noFallback: 'method', tries: 1 });
    expect(second.received).toHaveLength(0);
  });

  it('with a body that was not collected, once it was sent', async () => {
    const before = await rowOf('plain');
    first.script = answer(first, 503, 'busy');
    const init = { method: 'PUT', body: 'x'.repeat(100_000) };
    expect(await ask('/plain/long', init)).toEqual([503, 'busy']);
    const { noFallback, fallback } = await recordOf('/plain/long');
    expect([noFallback, fallback]).toEqual(['body', undefined]);
    expect(second.received).toHaveLength(0);
    await eventually('it is counted', async () => {
      return (await rowOf('plain')).refused > before.refused;
    });
  });

  it('once some of a body has gone to the client', async () => {
    let cut = (): void => {};
    first.script = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('some');
      cut = () => response.destroy();
    };
    const reply = await fetch(`${gateway.url}/plain/begun`);
    const reader = reply.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('some');
    cut();
    await expect(reader?.read()).rejects.toThrow();
    expect(await recordOf('/plain/begun')).toMatchObject({ end: 'cut', tries: 1 });
    expect(second.received).toHaveLength(0);
  });

  it('within the time of its route', async () => {
    third.script = () => {};
    const [status, text] = await ask('/bounded/a');
    expect([status, JSON.parse(text).code]).toEqual([504, 'GW_ROUTE_TIMEOUT']);
    expect(await recordOf('/bounded/a')).toMatchObject({ fallback: 'third' });
  });

  it('nowhere once its client is gone: the fallback is let go as well', async () => {
    const aborted = second.abortedCount;
    first.script = answer(first, 500, 'no');
    second.script = () => {};
    const heads = second.headCount;
    const leaving = new AbortController();
    const asked = ask('/plain/left', { signal: leaving.signal });
    await eventually('the fallback has it', () => second.headCount > heads);
    leaving.abort();
    await expect(asked).rejects.toThrow();
    await eventually('it was let go', () => second.abortedCount > aborted);
    expect(await recordOf('/plain/left')).toMatchObject({ end: 'clientLeft', fallback: 'second' });
  });

  it('where it is a handshake of a WebSocket', async () => {
    first.script = answer(first, 503, 'busy');
    const reply = await rawExchange(
      gateway.port,
      [
        'GET /plain/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      ],
      { until: /busy/ },
    );
    expect(reply.status).toBe(503);
    expect(second.received).toHaveLength(0);
  });
});

async function closedUrl(): Promise<string> {
  const upstream = await FakeUpstream.start();
  await upstream.close();
  return upstream.url;
}
