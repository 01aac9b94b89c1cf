import { once } from 'node:events';
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import {
  type CallOptions,
  GrpcConnection,
  type GrpcEndpoint,
  type GrpcOptions,
} from '../../src/supervisor/grpc/grpc-connection.js';
import { GrpcError } from '../../src/supervisor/grpc/grpc-error.js';
import { eventually } from '../support/eventually.js';

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer) => void;

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };
const open: { close(): unknown }[] = [];

afterEach(() => {
  for (const one of open.splice(0).reverse()) one.close();
});

/** A server of Node.js, which is not ours. */
async function serve(answer: Answer, at: { path?: string } = {}): Promise<GrpcEndpoint> {
  const server: Http2Server = createServer();
  server.on('stream', (stream, headers) => {
    const pieces: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => answer(stream, headers, Buffer.concat(pieces)));
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.listen(at.path === undefined ? { port: 0, host: '127.0.0.1' } : at);
  await once(server, 'listening');
  open.push({
    close: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  });
  if (at.path !== undefined) return { socketPath: at.path };
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, tls: null };
}

async function connect(
  endpoint: GrpcEndpoint,
  options: Partial<GrpcOptions> = {},
): Promise<GrpcConnection> {
  const connection = await GrpcConnection.connect({ endpoint, clock: systemClock, ...options });
  open.push(connection);
  return connection;
}

function framed(message: string | Buffer): Buffer {
  const bytes = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function reply(stream: ServerHttp2Stream, messages: readonly Buffer[], status = '0'): void {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  for (const message of messages) stream.write(message);
  stream.end();
}

const call = async (answer: Answer, options: CallOptions & Partial<GrpcOptions> = {}) => {
  const connection = await connect(await serve(answer), options);
  return connection.call('/test.Service/Method', Buffer.from('question'), options);
};

/** How the call failed. */
const failure = async (answer: Answer, options: CallOptions & Partial<GrpcOptions> = {}) => {
  const error: unknown = await call(answer, options).catch((one: unknown) => one);
  if (!(error instanceof GrpcError)) throw new Error('the call did not fail as calls do');
  return error;
};

describe('a call of gRPC', () => {
  it('sends one message and gets one', async () => {
    let seen: IncomingHttpHeaders = {};
    const text = await call(
      (stream, headers, body) => {
        seen = headers;
        reply(stream, [framed(body.subarray(5))]);
      },
      { metadata: ['token', 'abc'] },
    );
    expect(text.toString()).toBe('question');
    expect(seen).toMatchObject({
      ...{ ':method': 'POST', ':scheme': 'http', ':path': '/test.Service/Method', te: 'trailers' },
      ...{ 'content-type': 'application/grpc', token: 'abc' },
    });
  });

  it('goes over a Unix socket, whose path is nobody’s authority', async () => {
    const socket = join(tmpdir(), `sluice-grpc-${process.pid}.sock`);
    const answer: Answer = (stream, headers) =>
      reply(stream, [framed(headers[':authority'] ?? '')]);
    const connection = await connect(await serve(answer, { path: socket }));
    expect(String(await connection.call('/a.B/C', Buffer.alloc(0)))).toBe('localhost');
  });

  it('may be larger than every window, both ways', async () => {
    const large = Buffer.alloc(3 * 1024 * 1024, 'x');
    const connection = await connect(
      await serve((stream, _headers, body) => reply(stream, [body])),
    );
    const answers = await Promise.all([1, 2, 3].map(() => connection.call('/a.B/C', large)));
    for (const answer of answers) expect(answer.equals(large)).toBe(true);
  });

  it('fails as the server says, in trailers or in the head alone', async () => {
    const inTrailers = await failure((stream) => reply(stream, [], '7'));
    expect([inTrailers.code, inTrailers.detail]).toEqual([7, 'no reason given']);
    const alone = await failure((stream) => {
      const status = { 'grpc-status': '16', 'grpc-message': 'who%20are you?' };
      stream.respond({ ...HEAD, ...status }, { endStream: true });
    });
    expect([alone.code, alone.detail]).toEqual([16, 'who are you?']);
  });

  it.each<[string, Answer, number, RegExp]>([
    ['is of HTTP', (stream) => stream.respond({ ':status': 404 }, { endStream: true }), 14, /404/],
    ['has no message', (stream) => reply(stream, []), 13, /without a message/],
    [
      'has no status',
      (stream) => {
        stream.respond(HEAD);
        stream.end(framed('x'));
      },
      13,
      /without a status/,
    ],
    [
      'ends in the midst of a message',
      (stream) => reply(stream, [framed('xx').subarray(0, 6)]),
      13,
      /too early/,
    ],
    ['is compressed', (stream) => reply(stream, [Buffer.from([1, 0, 0, 0, 0])]), 13, /compressed/],
    [
      'is too large',
      (stream) => reply(stream, [framed(Buffer.alloc(2000))]),
      8,
      /longer than is read/,
    ],
    ['is reset', (stream) => stream.close(2), 14, /reset/],
    ['never comes', () => {}, 4, /no reply within 300 ms/],
  ])('fails when the reply %s', async (_what, answer, code, detail) => {
    const error = await failure(answer, { messageBytesMax: 1000, timeoutMs: 300 });
    expect([error.code, error.detail]).toEqual([code, expect.stringMatching(detail)]);
  });

  it('fails when the server goes, and each later one at once', async () => {
    const connection = await connect(await serve((stream) => stream.session?.destroy()));
    const errors = await Promise.allSettled(
      [1, 2].map(() => connection.call('/a.B/C', Buffer.alloc(1))),
    );
    expect(errors.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await connection.lost).not.toBe('');
    await expect(connection.call('/a.B/C', Buffer.alloc(1))).rejects.toMatchObject({ code: 14 });
  });
});

describe('a stream of gRPC', () => {
  it('hears of every message, and of the end once', async () => {
    const connection = await connect(
      await serve((stream) => reply(stream, [framed('one'), framed('two')])),
    );
    const heard: string[] = [];
    const stream = connection.open('/a.B/C', {
      onMessage: (message) => heard.push(message.toString()),
      onEnd: (error) => heard.push(`end ${error}`),
    });
    stream.send(Buffer.from('x'));
    stream.finish();
    await eventually('it has ended', () => heard.length === 3);
    expect(heard).toEqual(['one', 'two', 'end null']);
  });

  it('ends when its listener cannot read a message, and harms nobody else', async () => {
    const connection = await connect(await serve((stream) => reply(stream, [framed('junk')])));
    const ended = new Promise<unknown>((resolve) => {
      const stream = connection.open('/a.B/C', {
        onMessage: () => {
          throw new Error('not what was expected');
        },
        onEnd: resolve,
      });
      stream.finish();
    });
    expect(await ended).toMatchObject({ code: 13, detail: expect.stringContaining('expected') });
    expect(String(await connection.call('/a.B/C', Buffer.alloc(0)))).toBe('junk');
  });

  it('says nothing more when it was cancelled', async () => {
    const connection = await connect(await serve((stream) => reply(stream, [framed('late')])));
    const heard: unknown[] = [];
    const stream = connection.open('/a.B/C', {
      onMessage: (message) => heard.push(message),
      onEnd: (error) => heard.push(error),
    });
    stream.finish();
    stream.cancel();
    await connection.call('/a.B/C', Buffer.alloc(0));
    expect(heard).toEqual([]);
  });
});

describe('a connection of gRPC', () => {
  async function listen(server: Server): Promise<GrpcEndpoint> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(server);
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, tls: null };
  }

  it('is given up when the server says nothing', async () => {
    const endpoint = await listen(
      createTcpServer((socket) => void open.push({ close: () => socket.destroy() })),
    );
    await expect(connect(endpoint, { connectMs: 200 })).rejects.toThrow(
      'no connection within 200 ms',
    );
  });

  it('is given up when the server speaks something else', async () => {
    const endpoint = await listen(
      createTcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    await expect(connect(endpoint)).rejects.toThrow('it speaks HTTP/1.1, and not HTTP/2');
  });

  it('is given up when nobody listens', async () => {
    const endpoint = { host: '127.0.0.1', port: 1, tls: null };
    await expect(connect(endpoint)).rejects.toMatchObject({ code: 14 });
    const path = { socketPath: join(tmpdir(), 'sluice-nobody.sock') };
    await expect(connect(path)).rejects.toThrow('ENOENT');
  });

  it('is lost when PING is not answered in time', async () => {
    // Settings, and nothing behind them.
    const settings = Buffer.from('000000040000000000', 'hex');
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.write(settings);
      open.push({ close: () => socket.destroy() });
    });
    const connection = await connect(await listen(server), { pingMs: 50, pongMs: 100 });
    const waiting = connection.call('/a.B/C', Buffer.alloc(0), { timeoutMs: 60_000 });
    await expect(waiting).rejects.toThrow('no answer to PING within 100 ms');
  });
});
