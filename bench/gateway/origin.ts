/**
 * The service behind all the gateways, in a process of its own: `node origin.js`.
 *
 * Answers from memory: 131 bytes of JSON, or 64 KiB when the path ends with /large. On
 * uWebSockets.js where its binary loads, since an origin that costs little leaves the processor
 * to what is measured; on node:http elsewhere. Prints one line with its port and goes on until
 * it is told to end.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

type Uws = typeof import('uWebSockets.js');

export const SMALL_REPLY_BYTES = 131;
export const LARGE_REPLY_BYTES = 65_536;
/** What the origin prints before its port. */
export const ORIGIN_READY = 'ORIGIN ';

const HOST = '127.0.0.1';
const SMALL = makeReply(SMALL_REPLY_BYTES);
const LARGE = makeReply(LARGE_REPLY_BYTES);

function makeReply(bytes: number): Buffer {
  const start = '{"id":4711,"name":"a product","price":12.5,"text":"';
  const end = '"}';
  return Buffer.from(start + 'x'.repeat(bytes - start.length - end.length) + end);
}

function replyFor(path: string): Buffer {
  return path.endsWith('/large') ? LARGE : SMALL;
}

function serveWithUws(uws: Uws): void {
  const answer = (response: HttpResponse, body: Buffer) => {
    response.writeHeader('Content-Type', 'application/json').end(body);
  };
  uws
    .App()
    .get('/*', (response, request) => answer(response, replyFor(request.getUrl())))
    .any('/*', (response: HttpResponse, request: HttpRequest) => {
      const body = replyFor(request.getUrl());
      response.onAborted(() => undefined);
      response.onData((_chunk, isLast) => {
        if (isLast) response.cork(() => answer(response, body));
      });
    })
    .listen(HOST, 0, (socket) => {
      if (socket === false) throw new Error('the origin cannot listen');
      announce(uws.us_socket_local_port(socket), 'uWebSockets.js');
    });
}

function serveWithNode(): void {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const body = replyFor(request.url ?? '');
    request.resume().on('end', () => {
      response.writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': body.length,
      });
      response.end(body);
    });
  });
  server.listen(0, HOST, () => {
    const address = server.address();
    announce(typeof address === 'object' && address !== null ? address.port : 0, 'node:http');
  });
}

function announce(port: number, server: string): void {
  process.stdout.write(`${ORIGIN_READY}${port} ${server}\n`);
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
  if (uws === undefined) serveWithNode();
  else serveWithUws(uws);
}
