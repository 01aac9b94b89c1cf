/**
 * Exchanges that last longer than the native side's timers (10 to 12 seconds): none of those may
 * end one. All of them run at the same time, since each takes a quarter of a minute.
 */
import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBulk } from '../support/bulk-body.js';
import { aConfig } from '../support/configs.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

const SECONDS = 15;
const LARGE = randomBytes(12 << 20);
const LARGE_DIGEST = {
  bytes: LARGE.length,
  sha256: createHash('sha256').update(LARGE).digest('hex'),
};

let upstream: FakeUpstream;
let gateway: GatewayProcess;

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    switch (request.url) {
      case '/with-length':
        response.writeHead(200, { 'content-length': LARGE.length });
        response.end(LARGE);
        break;
      case '/in-chunks':
        response.end(LARGE);
        break;
      case '/events':
        response.write('first');
        setTimeout(() => response.end('last'), SECONDS * 1000);
        break;
      case '/late':
        setTimeout(() => response.end('late'), SECONDS * 1000);
        break;
      default:
        upstream.echo(request, response);
    }
  });
  // One worker: every body is longer than what it would collect before it sends.
  const upstreamOptions = { timeouts: { response: '60s' } };
  gateway = await GatewayProcess.start(
    aConfig([upstream.url], { upstream: upstreamOptions, top: { workers: 1 } }),
  );
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

async function get(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpRequest(`${gateway.url}${path}`, resolve).on('error', reject).end();
  });
}

async function trickle(framing: 'content-length' | 'chunked'): Promise<IncomingMessage> {
  const length = framing === 'chunked' ? {} : { 'content-length': SECONDS * 1024 };
  const request = httpRequest(`${gateway.url}/upload`, { method: 'POST', headers: length });
  const reply = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
  });
  for (let second = 0; second < SECONDS; second++) {
    request.write(Buffer.alloc(1024, 'x'));
    await seconds(1);
  }
  request.end();
  return reply;
}

// No more of them than run at the same time.
describe.concurrent('an exchange that takes its time', () => {
  it.concurrent('survives as an upload of a kilobyte a second', async () => {
    const replies = await Promise.all([trickle('content-length'), trickle('chunked')]);
    for (const reply of replies) {
      let text = '';
      for await (const chunk of reply) text += chunk;
      expect(reply.statusCode).toBe(200);
      expect(JSON.parse(text)).toMatchObject({ bodyBytes: SECONDS * 1024 });
    }
  });

  it.concurrent('survives as a reply whose client stops to read and goes on', async () => {
    const replies = await Promise.all([get('/with-length'), get('/in-chunks')]);
    await seconds(SECONDS);
    expect(await Promise.all(replies.map(readBulk))).toEqual([LARGE_DIGEST, LARGE_DIGEST]);
  });

  it.concurrent('survives as a stream in which nothing happens for a while', async () => {
    const reply = await get('/events');
    let text = '';
    for await (const chunk of reply) text += chunk;
    expect(text).toBe('firstlast');
  });

  it.concurrent('survives as a reply that the target thinks about', async () => {
    const reply = await get('/late');
    let text = '';
    for await (const chunk of reply) text += chunk;
    expect(text).toBe('late');
  });

  it.concurrent('does not survive as a head that never ends', async () => {
    const reply = await rawExchange(gateway.port, ['GET / HTTP/1.1\r\nHost: a\r\nX-A: '], {
      waitMsMax: 20_000,
    });
    expect(reply.isClosed).toBe(true);
    expect(reply.status).not.toBe(200);
  });
});
