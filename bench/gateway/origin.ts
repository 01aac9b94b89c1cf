/**
 * The service behind all the gateways, in a process of its own: `node origin.js`.
 *
 * Answers from memory: 131 bytes of JSON; 64 KiB when the path ends with /large or, as rows that
 * compress as those of an API do, with /rows; N bytes when it ends with /stream/N. What is under /stored may be kept for a day. What is sent to /stream is
 * counted, and the count is the answer. On uWebSockets.js where its binary loads, since an origin
 * that costs little leaves the processor to what is measured; on node:http elsewhere. Listens
 * twice, as two targets of a gateway that balances, once for HTTP/2 in clear text, once for gRPC
 * and once for WebSockets; prints one line with the ports and goes on until it is told to end.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { STORED_PREFIX } from './bench-requests.js';
import { listenGrpc } from './grpc-origin.js';
import { listenSockets } from './socket-origin.js';

type Uws = typeof import('uWebSockets.js');

export const SMALL_REPLY_BYTES = 131;
export const LARGE_REPLY_BYTES = 65_536;
/** What the origin prints before its ports. */
export const ORIGIN_READY = 'ORIGIN ';

const HOST = '127.0.0.1';
const FRESHNESS = 'max-age=86400';
const SMALL = makeReply(SMALL_REPLY_BYTES);
const LARGE = makeReply(LARGE_REPLY_BYTES);
const ROWS = makeRows(LARGE_REPLY_BYTES);
/** What streams are made of. */
const BLOCK = Buffer.alloc(256 * 1024, 'd');

function makeReply(bytes: number): Buffer {
  const start = '{"id":4711,"name":"a product","price":12.5,"text":"';
  const end = '"}';
  return Buffer.from(start + 'x'.repeat(bytes - start.length - end.length) + end);
}

function makeRows(bytesMax: number): Buffer {
  const rows: string[] = [];
  for (let id = 0, bytes = 1; ; id += 1) {
    const name = `user ${(id * 7919) % 1000}`;
    const score = ((id * 2_654_435_761) % 1e4) / 100;
    const row = JSON.stringify({ id, name, score, email: `u${(id * 104_729) % 1e5}@example.org` });
    bytes += row.length + 1;
    if (bytes > bytesMax) return Buffer.from(`[${rows.join(',')}]`);
    rows.push(row);
  }
}

function replyFor(path: string): Buffer {
  if (path.endsWith('/large')) return LARGE;
  return path.endsWith('/rows') ? ROWS : SMALL;
}

/** How many bytes a GET of this path asks for; zero when it is no stream. */
function streamBytes(path: string): number {
  return Number(/\/stream\/(\d{1,12})$/.exec(path)?.[1] ?? 0);
}

async function serveWithUws(uws: Uws): Promise<void> {
  const answer = (response: HttpResponse, body: Buffer | string, path: string) => {
    response.writeHeader('Content-Type', 'application/json');
    if (path.startsWith(STORED_PREFIX)) response.writeHeader('Cache-Control', FRESHNESS);
    response.end(body);
  };
  const app = uws
    .App()
    .get('/*', (response, request) => {
      const path = request.getUrl();
      const bytes = streamBytes(path);
      if (bytes === 0) answer(response, replyFor(path), path);
      else streamWithUws(response, bytes);
    })
    .any('/*', (response: HttpResponse, request: HttpRequest) => {
      const path = request.getUrl();
      let bytes = 0;
      response.onAborted(() => undefined);
      response.onData((chunk, isLast) => {
        bytes += chunk.byteLength;
        if (!isLast) return;
        const body = path.endsWith('/stream') ? countReply(bytes) : replyFor(path);
        response.cork(() => answer(response, body, path));
      });
    });
  const listen = () =>
    new Promise<number>((resolve, reject) => {
      app.listen(HOST, 0, (socket) => {
        if (socket === false) reject(new Error('the origin cannot listen'));
        else resolve(uws.us_socket_local_port(socket));
      });
    });
  await announce([await listen(), await listen()], 'uWebSockets.js');
}

function streamWithUws(response: HttpResponse, bytes: number): void {
  let isGone = false;
  response.onAborted(() => {
    isGone = true;
  });
  const pump = (): boolean => {
    for (;;) {
      if (isGone) return true;
      const left = bytes - response.getWriteOffset();
      const piece = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      const [isTaken, isDone] = response.tryEnd(piece, bytes);
      if (isDone || !isTaken) return isDone;
    }
  };
  response.onWritable(() => pump());
  response.cork(() => {
    response.writeHeader('Content-Type', 'application/octet-stream');
    pump();
  });
}

async function serveWithNode(): Promise<void> {
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    const bytes = request.method === 'GET' ? streamBytes(path) : 0;
    if (bytes > 0) {
      streamWithNode(response, bytes);
      return;
    }
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on('end', () => {
      const body = path.endsWith('/stream') ? Buffer.from(countReply(received)) : replyFor(path);
      if (path.startsWith(STORED_PREFIX)) response.setHeader('Cache-Control', FRESHNESS);
      response.writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': body.length,
      });
      response.end(body);
    });
  };
  const listen = async () => {
    const server = createServer({ keepAliveTimeout: 60_000 }, listener).listen(0, HOST);
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  await announce([await listen(), await listen()], 'node:http');
}

function streamWithNode(response: ServerResponse, bytes: number): void {
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': bytes,
  });
  let left = bytes;
  const pump = () => {
    while (left > 0) {
      const piece = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= piece.length;
      if (!response.write(piece)) return;
    }
    response.end();
  };
  response.on('drain', pump);
  pump();
}

/** Answers as the others do, but for streams. */
async function listenHttp2(): Promise<number> {
  const server = createHttp2Server().on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    stream.resume();
    stream.on('end', () => {
      const body = replyFor(headers[':path'] ?? '');
      stream.respond({
        ':status': 200,
        'content-type': 'application/json',
        'content-length': body.length,
      });
      stream.end(body);
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function countReply(bytes: number): string {
  return `{"bytes":${bytes}}`;
}

async function announce(http1Ports: readonly number[], server: string): Promise<void> {
  const others = await Promise.all([listenHttp2(), listenGrpc(), listenSockets()]);
  const ports = [...http1Ports, ...others];
  process.stdout.write(`${ORIGIN_READY}${ports.join(' ')} ${server}\n`);
}

function loadUws(): Uws | undefined {
  try {
    return createRequire(import.meta.url)('uWebSockets.js') as Uws;
  } catch {
    return undefined; // No binary for this platform.
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const uws = loadUws();
  if (uws === undefined) await serveWithNode();
  else await serveWithUws(uws);
}
