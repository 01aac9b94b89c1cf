/** Copies of requests, whose fate is nothing to the client. */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

/** Nobody listens there. */
const NOBODY = 'http://127.0.0.1:9';

interface MirrorRow {
  readonly route: string;
  readonly copied: number;
  readonly dropped: number;
  readonly skipped: number;
  readonly failed: number;
  readonly compared: number;
  readonly differs: Readonly<Record<string, number>>;
}

let main: FakeUpstream;
let shadow: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  main = await FakeUpstream.start();
  shadow = await FakeUpstream.start();
  const mirrored = (name: string, mirror: object) => ({
    name,
    match: { path: `/${name}/*` },
    upstream: 'main',
    rewrite: { headers: { set: { 'x-set': 'by-route' } } },
    mirror,
  });
  gateway = await GatewayProcess.start({
    listen: { port: 0 },
    admin: { port: 0 },
    workers: 1,
    logging: { accessLog: false },
    upstreams: {
      main: { targets: [{ url: main.url }], retry: { attempts: 1, on: [503] } },
      shadow: {
        targets: [{ url: shadow.url }],
        retry: { attempts: 3, on: [503] },
        timeouts: { response: '700ms' },
      },
      dead: { targets: [{ url: NOBODY }] },
    },
    routes: [
      mirrored('plain', { upstream: 'shadow', bodyBytes: 1000 }),
      mirrored('trusting', { upstream: 'shadow', credentials: true }),
      mirrored('dead', { upstream: 'dead' }),
      mirrored('few', { upstream: 'shadow', maxInFlight: 2 }),
      mirrored('compared', {
        upstream: 'shadow',
        compare: ['status', 'fields', 'body'],
        ignore: ['X-Id'],
      }),
      mirrored('none', { upstream: 'shadow', percent: 0 }),
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([main?.close(), shadow?.close()]);
});

afterEach(() => {
  for (const upstream of [main, shadow]) {
    upstream.script = (request, response) => upstream.echo(request, response);
    upstream.received.length = 0;
  }
});

async function shown(): Promise<{ routes: MirrorRow[]; samples: Record<string, unknown>[] }> {
  const reply = await fetch(`${gateway.adminUrl}/mirror`);
  return (await reply.json()) as { routes: MirrorRow[]; samples: Record<string, unknown>[] };
}

async function rowOf(name: string): Promise<MirrorRow> {
  const row = (await shown()).routes.find(({ route }) => route === name);
  if (row === undefined) throw new Error(`no row of ${name}`);
  return row;
}

const untilRow = (name: string, isSo: (row: MirrorRow) => boolean): Promise<void> =>
  eventually(`the figures of ${name}`, async () => isSo(await rowOf(name)));

async function ask(path: string, init: RequestInit = {}): Promise<number> {
  const reply = await fetch(`${gateway.url}${path}`, init);
  await reply.arrayBuffer();
  return reply.status;
}

describe('a copy', () => {
  it('is the request as its target gets it, but for credentials, and says what it is', async () => {
    const headers = { authorization: 'Bearer secret', cookie: 'a=b', 'x-own': 'kept' };
    const init = { method: 'POST', headers, body: 'a body' };
    expect(await ask('/plain/a?b=c', init)).toBe(200);
    await eventually('the copy has come', () => shadow.received.length === 1);
    const [original, copy] = [main.received[0], shadow.received[0]];
    expect(copy).toMatchObject({ method: 'POST', url: '/plain/a?b=c' });
    expect(copy?.body.toString()).toBe('a body');
    expect(copy?.headers).toMatchObject({
      'x-sluice-mirror': '1',
      'x-own': 'kept',
      'x-set': 'by-route',
      'x-request-id': original?.headers['x-request-id'],
    });
    expect(copy?.headers.authorization).toBeUndefined();
    expect(copy?.headers.cookie).toBeUndefined();
    expect(original?.headers).toMatchObject({ authorization: 'Bearer secret', cookie: 'a=b' });
    expect(original?.headers['x-sluice-mirror']).toBeUndefined();
  });

  it('has credentials where the route says so', async () => {
    await ask('/trusting/a', { headers: { authorization: 'Bearer secret', cookie: 'a=b' } });
    await eventually('the copy has come', () => shadow.received.length === 1);
    expect(shadow.received[0]?.headers).toMatchObject({
      authorization: 'Bearer secret',
      cookie: 'a=b',
    });
  });

  it('is made of no body that is too long, or of unknown length', async () => {
    const before = await rowOf('plain');
    await ask('/plain/a', { method: 'POST', body: 'x'.repeat(1001) });
    await sendChunked('/plain/b');
    await untilRow('plain', ({ skipped }) => skipped === before.skipped + 2);
    expect(main.received.map(({ url }) => url)).toEqual(['/plain/a', '/plain/b']);
    expect((await rowOf('plain')).copied).toBe(before.copied);
    expect(shadow.received).toHaveLength(0);
  });

  it('is not made where nothing is to be copied', async () => {
    await ask('/none/a');
    await ask('/plain/last');
    await eventually('a later copy has come', () => shadow.received.length > 0);
    expect(shadow.received.map(({ url }) => url)).toEqual(['/plain/last']);
  });

  it('is never sent again', async () => {
    const before = await rowOf('plain');
    shadow.script = (request, response) =>
      shadow.keep(request, () => {
        response.statusCode = 503;
        response.end();
      });
    await ask('/plain/once');
    await ask('/plain/twice');
    await eventually('both have come', () => shadow.received.length >= 2);
    expect(shadow.received.map(({ url }) => url)).toEqual(['/plain/once', '/plain/twice']);
    expect((await rowOf('plain')).copied).toBe(before.copied + 2);
  });
});

describe('the client hears nothing of', () => {
  it('a dead mirror, which opens no breaker of its own target', async () => {
    const replies = Array.from({ length: 30 }, () => ask('/dead/a'));
    expect(new Set(await Promise.all(replies))).toEqual(new Set([200]));
    await untilRow('dead', ({ copied, failed }) => copied === 30 && failed === 30);
    const { targets } = await gateway.stats<{
      targets: { upstream: string; errors: number; circuit_breaker: string }[];
    }>();
    const target = targets.find(({ upstream }) => upstream === 'main');
    expect(target).toMatchObject({ errors: 0, circuit_breaker: 'CLOSED' });
  });

  it('one that does not answer: no more than a few copies wait for it', async () => {
    shadow.script = () => {};
    const replies = Array.from({ length: 12 }, (_, nth) => ask(`/few/${nth}`));
    expect(new Set(await Promise.all(replies))).toEqual(new Set([200]));
    const row = await rowOf('few');
    expect(row.copied + row.dropped).toBe(12);
    expect(row.dropped).toBeGreaterThan(0);
    await untilRow('few', ({ copied, failed }) => copied === failed);
  });

  it('one whose reply does not end', async () => {
    const before = await rowOf('plain');
    const piece = Buffer.alloc(64 * 1024);
    shadow.script = (_request, response) => {
      const pour = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', pour);
      pour();
    };
    expect(await ask('/plain/flood')).toBe(200);
    await untilRow('plain', ({ failed }) => failed === before.failed + 1);
  });

  it('one that is slower than the client stays', async () => {
    let answer = (): void => {};
    shadow.script = (_request, response) => {
      answer = () => void response.end('late');
    };
    const before = await rowOf('compared');
    expect(await ask('/compared/late')).toBe(200);
    await eventually('the copy has come', () => shadow.headCount > 0);
    answer();
    await untilRow('compared', ({ compared, failed }) => {
      return compared + failed === before.compared + before.failed + 1;
    });
  });
});

describe('what is compared', () => {
  const answer = (status: number, fields: Record<string, string>, body: string) => {
    return (_request: unknown, response: import('node:http').ServerResponse) => {
      response.writeHead(status, fields);
      response.end(body);
    };
  };

  it('differs in no date, no session and no id, and counts as alike', async () => {
    const before = await rowOf('compared');
    main.script = answer(200, { 'x-id': '1', 'set-cookie': 's=1' }, 'same');
    shadow.script = answer(200, { 'x-id': '2', 'set-cookie': 's=2' }, 'same');
    await ask('/compared/a');
    await untilRow('compared', ({ compared }) => compared === before.compared + 1);
    expect((await rowOf('compared')).differs).toEqual(before.differs);
  });

  it('is told by part, with a sample that gives away no value', async () => {
    const before = await rowOf('compared');
    main.script = answer(200, { 'x-price': 'secret-1', 'x-same': 'a' }, 'twelve bytes');
    shadow.script = answer(404, { 'x-price': 'secret-2', 'x-same': 'a' }, 'other');
    await eventually('there is a sample', async () => {
      await ask('/compared/b?token=hidden');
      return (await shown()).samples.some(({ path }) => path === '/compared/b');
    });
    const { routes, samples } = await shown();
    const row = routes.find(({ route }) => route === 'compared');
    for (const part of ['status', 'fields', 'body']) {
      expect(row?.differs[part]).toBeGreaterThan(before.differs[part] ?? 0);
    }
    expect(samples.find(({ path }) => path === '/compared/b')).toMatchObject({
      route: 'compared',
      upstream: 'shadow',
      method: 'GET',
      differs: { status: [200, 404], fields: ['x-price'], body: [12, 5] },
    });
    expect(JSON.stringify(samples)).not.toMatch(/secret|hidden/);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(
      /gateway_mirror_differences_total\{route="compared",part="status"\} \d/,
    );
    expect(metrics).toMatch(/gateway_mirror_requests_total\{route="dead",outcome="failed"\} 30/);
  });
});

/** A body whose length nobody knows before. */
function sendChunked(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.port, '127.0.0.1');
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', () => socket.end());
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
        '5\r\nhello\r\n0\r\n\r\n',
    );
  });
}
