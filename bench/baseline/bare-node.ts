/**
 * The libraries that Sluice stands on, and nothing of a gateway: uWebSockets.js takes requests and
 * node:net passes them on, in one thread. It shows what is left when no work is done in between.
 *
 * It trusts everybody: a small reply has to come in one piece with its length, and no request has
 * a body. The same file is the contender and, when Node runs it, the proxy.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Contender, HOST } from '../gateway/contender.js';
import { nodeProxyContender } from './node-proxy.js';

const THIS_FILE = fileURLToPath(import.meta.url);
const requireFromHere = createRequire(import.meta.url);
const READ_BYTES_MAX = 65_536;
const HEAD_END = '\r\n\r\n';

export const bareNode: Contender = {
  ...nodeProxyContender({ name: 'bare', packageName: 'uWebSockets.js', file: THIS_FILE }),
  scenarios: ['plain-get', 'connections-1', 'connections-1000'],
  missing() {
    try {
      requireFromHere('uWebSockets.js');
      return '';
    } catch {
      return 'uWebSockets.js has no binary for this machine';
    }
  },
};

/** One kept-alive connection to the origin, and whose reply it waits for. */
class OriginConnection {
  isClosed = false;
  private client: HttpResponse | null = null;
  private readonly socket: Socket;
  private readonly buffer = Buffer.allocUnsafeSlow(READ_BYTES_MAX);

  constructor(
    origin: URL,
    private readonly onFree: (connection: OriginConnection) => void,
  ) {
    this.socket = connect({
      host: origin.hostname,
      port: Number(origin.port),
      noDelay: true,
      onread: { buffer: this.buffer, callback: (bytes) => this.onBytes(bytes) },
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
      this.client?.close();
    });
  }

  send(head: string, client: HttpResponse): void {
    this.client = client;
    client.onAborted(() => {
      this.client = null;
    });
    this.socket.write(head, 'latin1');
  }

  private onBytes(bytes: number): boolean {
    const head = this.buffer.toString('latin1', 0, bytes);
    const bodyAt = head.indexOf(HEAD_END) + HEAD_END.length;
    const { client } = this;
    this.client = null;
    client?.cork(() => {
      client.writeStatus('200 OK');
      client.writeHeader('Content-Type', 'application/json\r\nVia: 1.1 bare');
      client.end(this.buffer.subarray(bodyAt, bytes));
    });
    this.onFree(this);
    return true;
  }
}

async function serve(port: number, target: string): Promise<void> {
  const { default: uws } = await import('uWebSockets.js');
  const origin = new URL(target);
  const free: OriginConnection[] = [];
  const onRequest = (client: HttpResponse, request: HttpRequest): void => {
    let head = `${request.getCaseSensitiveMethod()} ${request.getUrl()} HTTP/1.1\r\n`;
    request.forEach((name, value) => {
      head += `${name}: ${value}\r\n`;
    });
    let connection = free.pop();
    while (connection?.isClosed) connection = free.pop();
    connection ??= new OriginConnection(origin, (one) => free.push(one));
    connection.send(`${head}x-forwarded-for: 127.0.0.1${HEAD_END}`, client);
  };
  uws
    .App()
    .any('/*', onRequest)
    .listen(HOST, port, () => {});
}

if (process.argv[1] === THIS_FILE) await serve(Number(process.argv[2]), process.argv[3] ?? '');
