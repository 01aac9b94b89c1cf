/**
 * An origin for large bodies, on a thread of its own so that it does not slow the client down.
 *
 * `POST /sink` answers with the digest of what came; `GET /source?bytes=N` sends as much, chunked
 * with `&chunked`, and `GET /sent` tells the digest of what was sent last. Run it from the build.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Digest, readBulk, writeBulk } from './bulk-body.js';

/** Also right when this file itself runs from the build. */
const SUPPORT = import.meta.url.replace('/dist/test/', '/test/');
const ENTRY = new URL('../../dist/test/support/bulk-origin.js', SUPPORT);
const ROLE = 'bulk origin';

export class BulkOrigin {
  private constructor(
    private readonly thread: Worker,
    readonly port: number,
  ) {}

  static async start(): Promise<BulkOrigin> {
    const thread = new Worker(ENTRY, { workerData: ROLE });
    const port = await new Promise<number>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
    });
    return new BulkOrigin(thread, port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the last /source reply was. */
  async sent(): Promise<Digest> {
    const reply = await fetch(`${this.url}/sent`);
    return (await reply.json()) as Digest;
  }

  async close(): Promise<void> {
    await this.thread.terminate();
  }
}

function serve(): void {
  let sent: Digest = { bytes: 0, sha256: '' };

  const answer = (response: ServerResponse, digest: Digest): void => {
    const body = JSON.stringify(digest);
    response.writeHead(200, { 'content-length': body.length }).end(body);
  };

  const send = async (url: URL, response: ServerResponse): Promise<void> => {
    const bytes = Number(url.searchParams.get('bytes'));
    const isChunked = url.searchParams.has('chunked');
    response.writeHead(200, isChunked ? {} : { 'content-length': bytes });
    sent = { bytes, sha256: await writeBulk(response, bytes) };
    response.end();
  };

  const onRequest = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://origin');
    if (url.pathname === '/sent') answer(response, sent);
    else if (url.pathname === '/sink') answer(response, await readBulk(request));
    else await send(url, response);
  };

  const server = createServer((request, response) => {
    onRequest(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1', () => {
    parentPort?.postMessage((server.address() as AddressInfo).port);
  });
}

if (!isMainThread && workerData === ROLE) serve();
