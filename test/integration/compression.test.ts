/**
 * Compressed replies through a whole gateway: what curl, fetch and raw sockets read, and when.
 */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { brotliCompressSync, createGunzip, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { runProgram } from '../support/programs.js';

/** Above what is compressed within a turn. */
const JSON_BODY = JSON.stringify(
  Array.from({ length: 2000 }, (_, id) => ({ id, name: `user ${id % 37}`, score: (id * 7) % 101 })),
);
/** Compresses badly, so that much of it comes out. */
const NOISE = randomBytes(50_000).toString('base64');
const EVENTS = 'text/event-stream';

let upstream: FakeUpstream;
let gateway: GatewayProcess;
/** Replies that a test goes on with, by path. */
const open = new Map<string, ServerResponse>();

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    if (request.method === 'POST') {
      upstream.echo(request, response);
      return;
    }
    const { pathname } = new URL(request.url ?? '/', 'http://target.test');
    const json = { 'content-type': 'application/json', etag: '"v1"', 'accept-ranges': 'bytes' };
    switch (pathname) {
      case '/json':
        response.writeHead(200, { ...json, 'content-length': Buffer.byteLength(JSON_BODY) });
        response.end(JSON_BODY);
        return;
      case '/chunked':
        response.writeHead(200, json);
        for (let at = 0; at < JSON_BODY.length; at += 5000) {
          response.write(JSON_BODY.slice(at, at + 5000));
        }
        response.addTrailers({ 'x-sum': '7' });
        response.end();
        return;
      case '/begun':
        response.writeHead(200, json);
        response.write(JSON_BODY);
        return;
      case '/endless': {
        response.writeHead(200, json);
        const more = (): void => {
          while (response.write(NOISE)) {}
        };
        response.on('drain', more);
        more();
        return;
      }
      default:
        response.writeHead(200, { 'content-type': EVENTS });
        response.flushHeaders();
        open.set(pathname, response);
    }
  });
  const compression = {
    encodings: ['br', 'gzip'],
    types: ['application/json', EVENTS],
  };
  gateway = await GatewayProcess.start({
    workers: 1,
    compression,
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      { name: 'beating', match: { path: '/beating' }, upstream: 'api', sse: { heartbeat: '1s' } },
      { name: 'silent', match: { path: '/silent' }, upstream: 'api', sse: { idle: '1s' } },
      {
        name: 'judged',
        match: { path: '/judged', methods: ['POST'] },
        upstream: 'api',
        validation: { body: { type: 'object', required: ['count'] }, maxBodyBytes: '256KiB' },
        rewrite: { body: { set: { '/source': 'web' } } },
      },
      { name: 'off', match: { path: '/off/*' }, upstream: 'api', compression: false },
      { name: 'all', match: { path: '/*' }, upstream: 'api' },
    ],
    logging: { accessLog: { samplePercent: 100 } },
  });
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

function curl(...args: readonly string[]): Promise<{ stdout: string }> {
  return runProgram('curl', ['-sS', '--max-time', '20', ...args]);
}

/** A client on a socket of its own, that reads chunks. */
class RawClient {
  received = Buffer.alloc(0);
  isClosed = false;
  readonly socket: Socket;

  constructor(path: string, fields: readonly string[] = ['Accept-Encoding: gzip']) {
    this.socket = connect(gateway.port, '127.0.0.1');
    this.socket.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes]);
    });
    this.socket
      .on('error', () => {})
      .on('close', () => {
        this.isClosed = true;
      });
    const lines = [`GET ${path} HTTP/1.1`, 'Host: gateway.test', ...fields, '', ''];
    this.socket.write(lines.join('\r\n'));
  }

  get head(): string {
    const end = this.received.indexOf('\r\n\r\n');
    return end === -1 ? '' : this.received.toString('latin1', 0, end);
  }

  /** The whole chunks that came so far, and whether the last one did. */
  get body(): { readonly bytes: Buffer; readonly isWhole: boolean } {
    const pieces: Buffer[] = [];
    let at = this.received.indexOf('\r\n\r\n') + 4;
    for (;;) {
      const lineEnd = this.received.indexOf('\r\n', at);
      if (lineEnd === -1) return { bytes: Buffer.concat(pieces), isWhole: false };
      const length = Number.parseInt(this.received.toString('latin1', at, lineEnd), 16);
      if (length === 0) return { bytes: Buffer.concat(pieces), isWhole: true };
      if (this.received.length < lineEnd + 4 + length) {
        return { bytes: Buffer.concat(pieces), isWhole: false };
      }
      pieces.push(this.received.subarray(lineEnd + 2, lineEnd + 2 + length));
      at = lineEnd + 4 + length;
    }
  }

  /** What can be decoded of what came so far. */
  async text(): Promise<string> {
    const decoder = createGunzip();
    let text = '';
    decoder.on('data', (bytes) => {
      text += bytes;
    });
    await new Promise<void>((resolve) => {
      decoder.on('error', () => resolve()).write(this.body.bytes, () => resolve());
    });
    return text;
  }

  async has(text: string): Promise<void> {
    await eventually(`the client reads ${JSON.stringify(text)}`, async () =>
      (await this.text()).includes(text),
    );
  }
}

async function streamAt(path: string): Promise<ServerResponse> {
  await eventually('the target is asked', () => open.has(path));
  const stream = open.get(path);
  if (stream === undefined) throw new Error('no stream');
  return stream;
}

describe('clients that accept it', () => {
  it('curl reads what the target sent, and a head that fits it', async () => {
    for (const path of ['/json', '/chunked']) {
      expect((await curl('--compressed', `${gateway.url}${path}`)).stdout).toBe(JSON_BODY);
      const head = (await curl('-I', '--compressed', `${gateway.url}${path}`)).stdout;
      expect(head).toMatch(/^content-encoding: br\r$/im);
      expect(head).toMatch(/^vary: accept-encoding\r$/im);
      expect(head).toMatch(/^etag: W\/"v1"\r$/im);
      expect(head).not.toMatch(/^(accept-ranges|content-length)/im);
    }
  });

  it('fetch does too, and so do clients of HTTP/1.0', async () => {
    const reply = await fetch(`${gateway.url}/json`, { headers: { 'accept-encoding': 'gzip' } });
    expect(reply.headers.get('content-encoding')).toBe('gzip');
    expect(reply.headers.get('content-length')).toBeNull();
    expect(await reply.text()).toBe(JSON_BODY);
    const old = await curl('-0', '--compressed', `${gateway.url}/chunked`);
    expect(old.stdout).toBe(JSON_BODY);
  });

  it('get trailers behind a compressed body', async () => {
    const client = new RawClient('/chunked', ['Accept-Encoding: gzip', 'TE: trailers']);
    await eventually('the trailers come', () =>
      client.received.subarray(-100).toString('latin1').includes('x-sum: 7\r\n\r\n'),
    );
    expect(String(gunzipSync(client.body.bytes))).toBe(JSON_BODY);
    client.socket.destroy();
  });
});

describe('others', () => {
  it('get what the target sent: those that do not ask, and on a route that says so', async () => {
    const plain = await fetch(`${gateway.url}/json`, { headers: { 'accept-encoding': 'x' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(plain.headers.get('content-length')).toBe(String(JSON_BODY.length));
    expect(plain.headers.get('etag')).toBe('"v1"');
    expect(plain.headers.get('vary')).toBe('Accept-Encoding');
    expect(await plain.text()).toBe(JSON_BODY);
    const client = new RawClient('/off/x');
    const stream = await streamAt('/off/x');
    stream.end('data: 1\n\n');
    await eventually('the stream ends', () => client.body.isWhole);
    expect(String(client.body.bytes)).toBe('data: 1\n\n');
    expect(client.head).not.toMatch(/vary|content-encoding/i);
    client.socket.destroy();
  });
});

describe('an event stream', () => {
  it('brings each event before the next is made, and ends whole', async () => {
    const client = new RawClient('/events');
    const stream = await streamAt('/events');
    await eventually('the head comes', () => client.head !== '');
    expect(client.head).toMatch(/content-encoding: gzip/i);
    for (let at = 0; at < 10; at++) {
      stream.write(`data: event ${at}\n\n`);
      await client.has(`data: event ${at}\n\n`);
    }
    stream.end();
    await eventually('the stream ends', () => client.body.isWhole);
    expect(String(gunzipSync(client.body.bytes))).toMatch(/^data: event 0\n\n.*event 9\n\n$/s);
    client.socket.destroy();
  });

  it('has heartbeats between its events, inside of what is compressed', async () => {
    const client = new RawClient('/beating');
    const stream = await streamAt('/beating');
    stream.write('data: first\n');
    await client.has('data: first\n');
    // Inside of an event there is none: its end comes when a heartbeat is due.
    stream.write('\n');
    await client.has('data: first\n\n:\n\n');
    stream.write('data: second\n\n');
    await client.has(':\n\ndata: second\n\n');
    stream.end();
    await eventually('the stream ends', () => client.body.isWhole);
    expect(String(gunzipSync(client.body.bytes))).toMatch(
      /^data: first\n\n(:\n\n)+data: second\n\n(:\n\n)*$/,
    );
    client.socket.destroy();
  });

  it('that the gateway ends has a whole body', async () => {
    const client = new RawClient('/silent');
    const stream = await streamAt('/silent');
    stream.write('data: only\n\n');
    await eventually('the gateway ends it', () => client.body.isWhole);
    expect(String(gunzipSync(client.body.bytes))).toBe('data: only\n\n');
    client.socket.destroy();
  });
});

describe('what goes wrong', () => {
  it('is seen: a reply that its target cuts is cut', async () => {
    const client = new RawClient('/broken');
    const stream = await streamAt('/broken');
    stream.write('data: 1\n\n');
    await client.has('data: 1\n\n');
    stream.destroy();
    await eventually('the connection ends', () => client.isClosed);
    expect(client.body.isWhole).toBe(false);
  });

  it('costs no compressions: as many clients leave as there may be, and more', async () => {
    for (let round = 0; round < 3; round++) {
      const clients = Array.from({ length: 50 }, () => new RawClient('/begun'));
      await eventually('all have begun', () => clients.every(({ body }) => body.bytes.length > 0));
      expect(clients.every(({ head }) => /content-encoding: gzip/i.test(head))).toBe(true);
      for (const { socket } of clients) socket.resetAndDestroy();
      await eventually('nothing is in flight', async () => {
        const { in_flight: inFlight } = await gateway.stats<{ in_flight: number }>();
        return inFlight === 0;
      });
    }
    const reply = await fetch(`${gateway.url}/json`, { headers: { 'accept-encoding': 'gzip' } });
    expect(reply.headers.get('content-encoding')).toBe('gzip');
    expect(await reply.text()).toBe(JSON_BODY);
  });

  it('a client that reads nothing makes the target wait', async () => {
    const client = new RawClient('/endless');
    await eventually('it has begun', () => client.head !== '');
    client.socket.pause();
    const sentBy = (): number =>
      Math.max(...[...upstream.sockets].map(({ bytesWritten }) => bytesWritten));
    let before = -1;
    // Two looks in a row with nothing sent between them, at a target that would never stop.
    await eventually('the target waits', () => {
      const now = sentBy();
      const isStill = now === before;
      before = now;
      return isStill;
    });
    expect(before).toBeLessThan(64 * 1024 * 1024);
    client.socket.destroy();
  });
});

describe('a coded request', () => {
  const DOCUMENT = { count: 1, text: 'x'.repeat(3000) };

  async function post(path: string, body: Buffer, coding: string) {
    upstream.received.length = 0;
    const reply = await fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': coding },
      body: new Uint8Array(body),
    });
    const { code = '' } = (await reply.json()) as { code?: string };
    return { status: reply.status, code, received: upstream.received.at(0) };
  }

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('is decoded where filters look into it: %s', async (coding, compress) => {
    const sent = compress(Buffer.from(JSON.stringify(DOCUMENT)));
    const { status, received } = await post('/judged', sent, coding);
    expect(status).toBe(200);
    expect(JSON.parse(String(received?.body))).toEqual({ ...DOCUMENT, source: 'web' });
    expect(received?.headers['content-encoding']).toBeUndefined();
    expect(received?.headers['content-length']).toBe(String(received?.body.length));
  });

  it('is judged by what it holds', async () => {
    const { status, received } = await post('/judged', gzipSync('{"other":1}'), 'gzip');
    expect([status, received]).toEqual([400, undefined]);
  });

  it.each([
    ['not what it says', Buffer.from('{"count":1}'), 'gzip', [400, 'GW_VALIDATION_FAILED']],
    ['cut off', gzipSync('{"count":1}').subarray(0, 20), 'gzip', [400, 'GW_VALIDATION_FAILED']],
    ['of an unknown coding', Buffer.from('{"count":1}'), 'deflate', [415, 'GW_MEDIA_TYPE']],
    ['coded twice', gzipSync(gzipSync('{"count":1}')), 'gzip, gzip', [415, 'GW_MEDIA_TYPE']],
    ['longer than the route takes', gzipSync(randomBytes(200_000).toString('hex')), 'gzip', 413],
    ['a bomb', gzipSync(Buffer.alloc(200_000, ' ')), 'gzip', 413],
  ])('is refused when it is %s', async (_, body, coding, expected) => {
    const { status, code, received } = await post('/judged', body, coding);
    expect(expected === 413 ? status : [status, code]).toEqual(expected);
    expect(received).toBeUndefined();
  });

  it('passes untouched where nobody looks into it', async () => {
    for (const [coding, body] of [
      ['gzip', gzipSync('{"a":1}')],
      ['of-our-own', Buffer.from('secret')],
    ] as const) {
      const { status, received } = await post('/plain', body, coding);
      expect(status).toBe(200);
      expect(received?.body).toEqual(body);
      expect(received?.headers['content-encoding']).toBe(coding);
    }
  });
});

it('is counted by coding, and stands in access records', async () => {
  interface Row {
    readonly replies: number;
    readonly bytes_in: number;
    readonly bytes_out: number;
  }
  const { compression } = await gateway.stats<{ compression: Record<string, Row> }>();
  expect(Object.keys(compression)).toEqual(['zstd', 'br', 'gzip']);
  const { br, zstd } = compression;
  expect(zstd).toEqual({ replies: 0, bytes_in: 0, bytes_out: 0 });
  expect(br?.replies).toBeGreaterThan(1);
  expect(br?.bytes_in).toBeGreaterThan((br?.bytes_out ?? 0) * 3);
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  expect(metrics).toContain(`gateway_compressed_replies_total{coding="br"} ${br?.replies}\n`);
  await eventually('the records are written', () =>
    gateway.find('request').some((record) => Reflect.get(record, 'coding') === 'br'),
  );
});
