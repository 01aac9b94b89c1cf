/**
 * Compressed replies from memory through a whole gateway with two workers: what is stored is
 * compressed once, and clients see what they would see of a reply that was compressed for them.
 */
import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-of-the-admin';
const WORKERS = 2;
const LONG = JSON.stringify(
  Array.from({ length: 4500 }, (_, id) => ({ id, name: `user ${id % 37}`, score: (id * 7) % 101 })),
);
const SHORT = LONG.slice(0, 6000);
const NOISE = randomBytes(60_000).toString('base64');

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let asked = 0;
let version = 1;

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    asked += 1;
    const { pathname } = new URL(request.url ?? '/', 'http://target.test');
    const etag = `"v${version}"`;
    const fields: Record<string, string> = {
      ...{ 'content-type': 'application/json', etag },
      'cache-control': pathname.includes('stale') ? 'max-age=0' : 'max-age=600',
    };
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, fields);
      response.end();
      return;
    }
    if (pathname.includes('fixed')) fields['cache-control'] += ', no-transform';
    if (pathname.includes('noise')) fields['content-type'] = 'text/plain';
    const body = pathname.includes('long') ? LONG : SHORT;
    response.writeHead(200, fields);
    response.end(pathname.includes('noise') ? NOISE : `${body}${version > 1 ? version : ''}`);
  });
  gateway = await GatewayProcess.start(
    {
      workers: WORKERS,
      admin: { port: 0, token: TOKEN },
      cache: { memory: '16MiB' },
      compression: { encodings: ['br', 'gzip'] },
      upstreams: { api: { targets: [{ url: upstream.url }], retry: { attempts: 0 } } },
      routes: [
        {
          name: 'edited',
          match: { path: '/edited/*' },

          upstream: 'api',
          cache: true,
          rewriteReply: { headers: { set: { 'cache-control': 'no-store' } } },
        },
        { name: 'all', match: { path: '/*' }, upstream: 'api', cache: true },
      ],
    },
    { GATEWAY_CHAOS: '1' },
  );
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 });
afterAll(() => agent.destroy());

function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${gateway.url}${path}`, { agent, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

const GZIP = { 'accept-encoding': 'gzip' };
const BR = { 'accept-encoding': 'br' };

/** Compressions made, and replies for which none was needed. */
async function counted(): Promise<{ made: number; ready: number }> {
  interface Stats {
    readonly compression: Record<string, { readonly replies: number }>;
    readonly cache: { readonly precompressed: number };
  }
  const { compression, cache } = await gateway.stats<Stats>();
  const made = Object.values(compression).reduce((sum, { replies }) => sum + replies, 0);
  return { made, ready: cache.precompressed };
}

async function purge(order: object): Promise<number> {
  const response = await fetch(`${gateway.adminUrl}/cache/purge`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(order),
  });
  return ((await response.json()) as { purged: number }).purged;
}

describe('a reply from memory', () => {
  it.each([
    ['/long', LONG],
    ['/short', SHORT],
  ])('is compressed once for a thousand clients: %s', async (path, text) => {
    await ask(path);
    const before = await counted();
    const asks = asked;
    const answers = await Promise.all(Array.from({ length: 1000 }, () => ask(path, GZIP)));
    for (const { status, headers, body } of answers) {
      expect([status, headers['content-encoding']]).toEqual([200, 'gzip']);
      expect([headers.etag, headers.vary]).toEqual(['W/"v1"', 'Accept-Encoding']);
      expect(Number(headers['content-length'])).toBe(body.length);
      expect(headers['cache-status']).toContain('sluice; hit');
    }
    // Of one worker all are alike.
    const bodies = new Set(answers.map(({ body }) => body.toString('base64')));
    expect(bodies.size).toBeLessThanOrEqual(WORKERS);
    for (const body of bodies) {
      expect(gunzipSync(Buffer.from(body, 'base64')).toString()).toBe(text);
    }
    expect(asked).toBe(asks);
    // Two workers may begin at the same time: each makes it once, for all who wait there.
    const made = (await counted()).made - before.made;
    expect([1, WORKERS]).toContain(made);
    const settled = await counted();
    await Promise.all(Array.from({ length: 100 }, () => ask(path, GZIP)));
    await eventually('none is made any more', async () => {
      const { made: all, ready } = await counted();
      return all === settled.made && ready === settled.ready + 100;
    });
  });

  it('has a form in each coding, and a plain one', async () => {
    await ask('/each');
    expect(gunzipSync((await ask('/each', GZIP)).body).toString()).toBe(SHORT);
    expect(brotliDecompressSync((await ask('/each', BR)).body).toString()).toBe(SHORT);
    const plain = await ask('/each', { 'accept-encoding': 'identity' });
    expect([plain.body.toString(), plain.headers.etag]).toEqual([SHORT, '"v1"']);
    expect([plain.headers['content-encoding'], plain.headers.vary]).toEqual([
      undefined,
      'Accept-Encoding',
    ]);
  });

  it('answers conditions, parts and HEAD as one that was compressed for its client', async () => {
    await ask('/asked');
    await ask('/asked', GZIP);
    const weak = await ask('/asked', { ...GZIP, 'if-none-match': 'W/"v1"' });
    expect([weak.status, weak.headers.etag, weak.body.length]).toEqual([304, 'W/"v1"', 0]);
    expect(weak.headers.vary).toBe('Accept-Encoding');
    const strong = await ask('/asked', { 'if-none-match': '"v1"' });
    expect([strong.status, strong.headers.etag]).toEqual([304, '"v1"']);
    const part = await ask('/asked', { ...GZIP, range: 'bytes=0-9' });
    expect([part.status, part.body.toString()]).toEqual([206, SHORT.slice(0, 10)]);
    expect([part.headers['content-encoding'], part.headers.etag]).toEqual([undefined, '"v1"']);
    // A part of what is compressed there is not: the client gets all of it.
    const ofCoded = await ask('/asked', { ...GZIP, range: 'bytes=0-9', 'if-range': 'W/"v1"' });
    expect([ofCoded.status, gunzipSync(ofCoded.body).toString()]).toEqual([200, SHORT]);
    const head = await ask('/asked', GZIP, 'HEAD');
    expect([head.status, head.headers['content-encoding'], head.headers.etag]).toEqual([
      ...[200, 'gzip', 'W/"v1"'],
    ]);
  });

  it('is compressed anew once its target has sent or validated it', async () => {
    await ask('/stale');
    const before = await counted();
    for (const _ of [1, 2]) {
      const { body, headers } = await ask('/stale', GZIP);
      expect(gunzipSync(body).toString()).toBe(SHORT);
      expect(headers['cache-status']).toContain('fwd=stale; fwd-status=304');
    }
    expect((await counted()).made).toBe(before.made + 2);
    version = 2;
    const other = await ask('/stale', GZIP);
    expect([gunzipSync(other.body).toString(), other.headers.etag]).toEqual([
      ...[`${SHORT}2`, 'W/"v2"'],
    ]);
    version = 1;
  });

  it('is gone with its forms when it is purged', async () => {
    await ask('/purged');
    await ask('/purged', GZIP);
    expect(await purge({ url: `${gateway.url}/purged` })).toBe(1);
    version = 3;
    expect(gunzipSync((await ask('/purged', GZIP)).body).toString()).toBe(`${SHORT}3`);
    expect(gunzipSync((await ask('/purged', GZIP)).body).toString()).toBe(`${SHORT}3`);
    version = 1;
  });

  it('goes out as it is where that is shorter, or its target says so', async () => {
    await ask('/noise/fixed');
    const fixed = await ask('/noise/fixed', GZIP);
    expect([fixed.headers['content-encoding'], fixed.body.toString()]).toEqual([undefined, NOISE]);
    await ask('/edited/1');
    const edited = await ask('/edited/1', GZIP);
    expect(gunzipSync(edited.body).toString()).toBe(SHORT);
    expect(edited.headers['cache-control']).toBe('no-store');
  });

  it('keeps its forms when the worker dies that has made them', async () => {
    await ask('/outlives');
    await ask('/outlives', GZIP);
    const before = await counted();
    for (const worker of [0, 1]) {
      await fetch(`${gateway.adminUrl}/chaos/worker/${worker}/crash`, { method: 'POST' });
      await eventually('workers answer', async () => {
        const answer = await ask('/outlives', GZIP).catch(() => null);
        return answer?.status === 200;
      });
    }
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask('/outlives', GZIP)));
    for (const { body } of answers) expect(gunzipSync(body).toString()).toBe(SHORT);
    expect((await counted()).made).toBe(before.made);
  });
});
