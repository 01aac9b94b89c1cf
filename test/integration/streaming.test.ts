/**
 * Bodies that are on their way while something happens: a side that is slow, leaves, or dies.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BODY_BLOCK_COUNT } from '../../src/channel/body-blocks.js';
import { readBulk, writeBulk } from '../support/bulk-body.js';
import { aConfig } from '../support/configs.js';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { SlowReader } from '../support/slow-reader.js';

const MIB = 1 << 20;
const BODY_BYTES_MAX = 128 * MIB;

let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  const config = aConfig([upstream.url], {
    top: { workers: 2, limits: { bodyBytes: BODY_BYTES_MAX }, logging: { accessLog: false } },
  });
  gateway = await GatewayProcess.start(config);
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

beforeEach(() => {
  upstream.script = (request, response) => upstream.echo(request, response);
  upstream.abortedCount = 0;
});

async function inFlight(): Promise<number> {
  return (await gateway.stats())['in_flight'] as number;
}

/** Blocks that long replies are read into, of all lanes. */
async function bodyBlocks(): Promise<number> {
  const lanes = (await gateway.stats())['workers'] as { body_blocks: number }[];
  return lanes.reduce((sum, lane) => sum + lane.body_blocks, 0);
}

async function nothingInFlight(): Promise<void> {
  await eventually('nothing is in flight', async () => (await inFlight()) === 0);
  expect(await bodyBlocks()).toBe(0);
}

/** A request that is under way; its reply, once the head is here. */
function open(path: string, options: RequestOptions = {}) {
  const request = httpRequest(`${gateway.url}${path}`, options);
  const reply = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
  });
  reply.catch(() => {});
  return { request, reply };
}

async function get(path: string): Promise<IncomingMessage> {
  const { request, reply } = open(path);
  request.end();
  return reply;
}

/** An upload in blocks that knows how much of it the socket has taken. */
class CountedUpload {
  written = 0;
  taken = 0;
  readonly hash = createHash('sha256');
  private readonly block = randomBytes(64 * 1024);
  private readonly onTaken = (): void => {
    this.taken += this.block.length;
  };

  constructor(private readonly request: ClientRequest) {}

  /** Writes as long as the socket takes anything, or up to `bytesMax` in all. */
  async writeUntilHeld(bytesMax: number): Promise<void> {
    let before = -1;
    // The kernel's buffers grow while they fill; held means that they have stopped to.
    for (let still = 0; still < 20 && this.taken < bytesMax; ) {
      while (this.request.writableLength < MIB && this.written < bytesMax) this.write();
      await new Promise((resolve) => setTimeout(resolve, 10));
      still = this.taken === before ? still + 1 : 0;
      before = this.taken;
    }
  }

  private write(): void {
    this.request.write(this.block, this.onTaken);
    this.hash.update(this.block);
    this.written += this.block.length;
  }
}

describe('a slow client', () => {
  it('keeps no other client waiting, and gets every byte when it reads on', async () => {
    // The kernel keeps the whole of the small reply for its client, but not of the large one.
    const bodies = new Map([
      ['/small', randomBytes(2 * MIB)],
      ['/large', randomBytes(8 * MIB)],
    ]);
    upstream.script = (request, response) => {
      const body = bodies.get(request.url ?? '') ?? 'ok';
      response.writeHead(200, { 'content-length': body.length });
      response.end(body);
    };
    const paths = Array.from({ length: 200 }, (_, at) => (at % 5 === 0 ? '/large' : '/small'));
    const slow = paths.map((path) => SlowReader.get(gateway.port, path, 4096));
    await eventually('all have begun', () => slow.every((reader) => reader.isStopped));
    for (let count = 0; count < 200; count++) {
      const reply = await fetch(`${gateway.url}/fast`);
      expect(await reply.text()).toBe('ok');
    }
    expect(await inFlight()).toBeGreaterThanOrEqual(40);
    for (const reader of slow) reader.resume();
    await Promise.all(slow.map((reader) => reader.complete));
    const sha256 = (path: string): string =>
      createHash('sha256')
        .update(bodies.get(path) ?? '')
        .digest('hex');
    const expected = { '/small': sha256('/small'), '/large': sha256('/large') };
    expect(slow.map((reader) => reader.digest())).toEqual(
      paths.map((path) => expected[path as keyof typeof expected]),
    );
    for (const reader of slow) reader.socket.destroy();
    await nothingInFlight();
  });

  it('gets its own bytes when more long replies are on their way than there are blocks', async () => {
    const bodyOf = (path: string): Buffer => {
      const isSlow = path.startsWith('/slow');
      return Buffer.alloc(isSlow ? 16 * MIB : 2 * MIB, `the body of ${path}, `);
    };
    upstream.script = (request, response) => {
      const body = bodyOf(request.url ?? '');
      response.writeHead(200, { 'content-length': body.length });
      response.end(body);
    };
    const read = (path: string, stopAt: number) => ({
      path,
      reader: SlowReader.get(gateway.port, path, stopAt),
    });
    const slow = Array.from({ length: 9 }, (_, at) => read(`/slow/${at}`, 4096));
    await eventually('the slow ones have begun', () =>
      slow.every(({ reader }) => reader.isStopped),
    );
    await eventually('some wait with a block', async () => (await bodyBlocks()) > 0);
    const count = 2 * 2 * BODY_BLOCK_COUNT;
    const fast = Array.from({ length: count }, (_, at) => read(`/fast/${at}`, MIB * MIB));
    await Promise.all(fast.map(({ reader }) => reader.complete));
    for (const { reader } of slow.splice(0, 3)) reader.socket.destroy();
    for (const { reader } of slow) reader.resume();
    await Promise.all(slow.map(({ reader }) => reader.complete));
    for (const { path, reader } of [...fast, ...slow]) {
      const expected = createHash('sha256').update(bodyOf(path)).digest('hex');
      expect(reader.digest(), path).toBe(expected);
      reader.socket.destroy();
    }
    await nothingInFlight();
  });

  it('that leaves in the middle of its reply ends the request at the target', async () => {
    let sent = (): void => {};
    const isSent = new Promise<void>((resolve) => {
      sent = resolve;
    });
    upstream.script = (_request, response) => {
      response.writeHead(200, { 'content-length': 64 * MIB });
      response.write(Buffer.alloc(MIB), sent);
    };
    for (const stopAt of [1, 512 * 1024]) {
      const reader = SlowReader.get(gateway.port, '/', stopAt);
      await eventually('the reply has begun', () => reader.isStopped);
      await isSent;
      reader.socket.destroy();
    }
    await eventually('the target sees both leave', () => upstream.abortedCount === 2);
    await nothingInFlight();
  });
});

describe('a client that leaves in the middle of its upload', () => {
  it.each(['content-length', 'chunked'])('ends the request at the target (%s)', async (framing) => {
    let received = 0;
    upstream.script = (request) => {
      request.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      request.on('error', () => {});
    };
    const headers = framing === 'chunked' ? {} : { 'content-length': 10 * MIB };
    const { request, reply } = open('/', { method: 'POST', headers });
    request.write(Buffer.alloc(MIB));
    await eventually('the target has got that', () => received === MIB);
    request.destroy();
    await expect(reply).rejects.toThrow();
    await eventually('the target sees it leave', () => upstream.abortedCount === 1);
    await nothingInFlight();
  });

  it('leaves nothing behind when its small body was still being collected', async () => {
    const { request, reply } = open('/', { method: 'POST', headers: { 'content-length': 1000 } });
    request.write('some');
    await eventually('it is in flight', async () => (await inFlight()) === 1);
    request.destroy();
    await expect(reply).rejects.toThrow();
    await nothingInFlight();
    expect(upstream.abortedCount).toBe(0);
  });
});

describe('a slow target', () => {
  it('holds back a fast uploader, and then gets every byte', async () => {
    const bytes = 128 * MIB;
    const heads: [IncomingMessage, ServerResponse][] = [];
    upstream.script = (...head) => heads.push(head);
    const { request, reply } = open('/', { method: 'POST', headers: { 'content-length': bytes } });
    const before = gateway.residentBytes();
    const upload = new CountedUpload(request);
    await upload.writeUntilHeld(bytes);
    // A window, one read of the native side, and what four kernel buffers may hold.
    expect(upload.taken).toBeLessThan(64 * MIB);
    expect(gateway.residentBytes() - before).toBeLessThan(32 * MIB);
    const [held, response] = heads[0] ?? [];
    if (held === undefined) throw new Error('the target has not even got the head');
    const arrived = readBulk(held);
    await upload.writeUntilHeld(bytes);
    request.end();
    expect(await arrived).toEqual({ bytes, sha256: upload.hash.digest('hex') });
    response?.end();
    expect((await reply).statusCode).toBe(200);
    await nothingInFlight();
  });
});

describe('a target that dies in the middle of its reply', () => {
  it.each([
    ['with a length', { 'content-length': '100000' }],
    ['in chunks', {}],
  ])('cuts the client off (%s)', async (_name, headers) => {
    upstream.script = (request, response) => {
      response.writeHead(200, headers);
      response.write('the beginning', () => {
        // Later, so that the beginning gets to the client as such.
        request.socket.on('close', () => {});
      });
    };
    const reply = await get('/');
    expect(reply.statusCode).toBe(200);
    const arrived = readBulk(reply);
    for (const socket of upstream.sockets) socket.destroy();
    await expect(arrived).rejects.toThrow(/aborted|cut off/);
    expect(reply.complete).toBe(false);
    await nothingInFlight();
  });
});

describe('a chunked upload', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

  it('gets a reply, and the engine that cannot see where it ends closes behind it', async () => {
    const closes = byEngine({ wire: false, uws: true });
    const reply = await rawExchange(gateway.port, [`${head}5\r\nhello\r\n0\r\n\r\n`], {
      until: closes ? /^$/ : /"bodyBytes":5/,
    });
    expect(reply.status).toBe(200);
    expect(/connection: close/i.test(reply.text)).toBe(closes);
    expect(reply.text).toContain('"bodyBytes":5');
    expect(reply.isClosed).toBe(closes);
  });

  it('over the limit is answered with 413, and the target sees it broken off', async () => {
    let isComplete = false;
    upstream.script = (request) => {
      request.on('error', () => {});
      request.on('end', () => {
        isComplete = true;
      });
      request.resume();
    };
    const { request, reply } = open('/', { method: 'POST' });
    request.on('error', () => {});
    const upload = new CountedUpload(request);
    void upload.writeUntilHeld(BODY_BYTES_MAX + MIB);
    expect((await reply).statusCode).toBe(413);
    request.destroy();
    await eventually('the target sees it', () => upstream.abortedCount === 1);
    expect(isComplete).toBe(false);
    await nothingInFlight();
  });

  it('over the limit is cut off when its reply has begun, and leaves nothing behind', async () => {
    upstream.script = (request, response) => {
      request.on('error', () => {});
      request.resume();
      response.write('so far so good');
    };
    const { request, reply } = open('/', { method: 'POST' });
    request.on('error', () => {});
    const upload = new CountedUpload(request);
    const written = upload.writeUntilHeld(BODY_BYTES_MAX + MIB);
    const arrived = readBulk(await reply);
    await expect(arrived).rejects.toThrow();
    request.destroy();
    await written;
    await eventually('the target sees it', () => upstream.abortedCount === 1);
    await nothingInFlight();
  });
});

describe('a reply that is the last on its connection', () => {
  const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n';
  const CASES = [
    { name: 'as the client asked', method: 'GET', rest: 'Connection: close\r\n\r\n' },
    { name: 'as the client asked in a list', method: 'GET', rest: 'Connection: x, close\r\n\r\n' },
  ];
  const behindUpload = { name: 'behind a chunked upload', method: 'POST', rest: CHUNKED };
  const cases = byEngine({ wire: CASES, uws: [...CASES, behindUpload] });

  it.each(cases)('says so in its head, and its body is whole ($name)', async ({ method, rest }) => {
    const half = 'x'.repeat(100_000);
    for (const length of [{ 'content-length': 2 * half.length }, {}]) {
      upstream.script = (request, response) => {
        request.resume();
        response.writeHead(200, length);
        // In two parts, so that the end comes by itself.
        response.write(half, () => setImmediate(() => response.end(half)));
      };
      const bodyOf = 'content-length' in length ? /\r\n\r\nx{200000}$/ : /\r\n0\r\n\r\n$/;
      const request = `${method} / HTTP/1.1\r\nHost: a\r\n${rest}`;
      const { text, status } = await rawExchange(gateway.port, [request], { until: bodyOf });
      expect(status).toBe(200);
      const headEnd = text.indexOf('\r\n\r\n');
      expect(text.slice(0, headEnd)).toMatch(/\r\nconnection: close/i);
      expect(text.slice(headEnd)).toMatch(bodyOf);
      expect(text.slice(headEnd)).not.toMatch(/connection/i);
      expect(text.slice(headEnd).match(/x/g)).toHaveLength(2 * half.length);
    }
  });

  it('behind a chunked upload is followed by others where its end was seen', async () => {
    upstream.script = (request, response) => {
      request.resume();
      response.write('x', () => setImmediate(() => response.end('y')));
    };
    const upload = `POST /first HTTP/1.1\r\nHost: a\r\n${CHUNKED}`;
    const next = 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n';
    upstream.headCount = 0;
    const { text } = await rawExchange(gateway.port, [upload, next, next], {
      pauseMs: 300,
      waitMsMax: 1200,
    });
    const answered = byEngine({ wire: 3, uws: 1 });
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(answered);
    expect(upstream.headCount).toBe(answered);
  });
});

describe('a reply that begins before its request has ended', () => {
  it.each(['content-length', 'chunked'])('is whole, both ways at once (%s)', async (framing) => {
    const bytes = 32 * MIB;
    upstream.script = (request, response) => {
      const length = request.headers['content-length'];
      response.writeHead(200, length === undefined ? {} : { 'content-length': length });
      request.on('error', () => {});
      request.pipe(response);
    };
    const headers = framing === 'chunked' ? {} : { 'content-length': bytes };
    const { request, reply } = open('/', { method: 'POST', headers });
    const arrived = reply.then(readBulk);
    const sha256 = await writeBulk(request, bytes);
    request.end();
    expect(await arrived).toEqual({ bytes, sha256 });
    await nothingInFlight();
  });

  it('is whole although the client reads nothing before its upload is stuck', async () => {
    const bytes = 48 * MIB;
    upstream.script = (request, response) => {
      response.writeHead(200, { 'content-length': bytes });
      request.pipe(response);
    };
    const { request, reply } = open('/', { method: 'POST', headers: { 'content-length': bytes } });
    const upload = new CountedUpload(request);
    await upload.writeUntilHeld(bytes);
    const arrived = readBulk(await reply);
    await upload.writeUntilHeld(bytes);
    request.end();
    expect(await arrived).toEqual({ bytes, sha256: upload.hash.digest('hex') });
    await nothingInFlight();
  });
});

describe('a stream of events', () => {
  it('brings each event without waiting for the next', async () => {
    let response: ServerResponse | undefined;
    upstream.script = (_request, opened) => {
      response = opened;
      opened.writeHead(200, { 'content-type': 'text/event-stream' });
      opened.write('retry: 1000\n\n');
    };
    const reply = await get('/events');
    expect(reply.headers['content-type']).toBe('text/event-stream');
    reply.setEncoding('utf8');
    const events = reply[Symbol.asyncIterator]();
    expect((await events.next()).value).toBe('retry: 1000\n\n');
    for (let count = 0; count < 20; count++) {
      response?.write(`data: ${count}\n\n`);
      expect((await events.next()).value).toBe(`data: ${count}\n\n`);
    }
    response?.end();
    expect((await events.next()).done).toBe(true);
  });
});
