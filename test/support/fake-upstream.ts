/**
 * A scripted origin on a real socket: replies as the test says, and keeps what it received.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export type Script = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Answers so much later: clients that send without a pause then have a request under way at nearly
 * all times, which may be a dying thread's, and leave the machine time for what the test is about.
 */
export function answerAfter(thinkMs: number, body = 'ok'): Script {
  return (request, response) => {
    request.resume();
    setTimeout(() => response.end(body), thinkMs);
  };
}

export class FakeUpstream {
  /** Requests that arrived whole, in order. Empty when the script reads bodies itself. */
  readonly received: ReceivedRequest[] = [];
  /** Requests whose head arrived. */
  headCount = 0;
  /** Requests whose connection closed before the reply was complete. */
  abortedCount = 0;
  readonly sockets = new Set<Socket>();
  script: Script;

  private constructor(
    private readonly server: Server,
    script: Script,
    readonly port: number,
  ) {
    this.script = script;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.headCount++;
      response.on('close', () => {
        if (!response.writableFinished) this.abortedCount++;
      });
      this.script(request, response);
    });
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  /** Starts on a port that the system chooses, or on the given one. */
  static async start(script?: Script, port = 0): Promise<FakeUpstream> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const bound = (server.address() as AddressInfo).port;
    const upstream = new FakeUpstream(server, () => {}, bound);
    upstream.script = script ?? ((request, response) => upstream.echo(request, response));
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Reads the body, keeps the request, and replies with what it saw as JSON. */
  echo(request: IncomingMessage, response: ServerResponse): void {
    this.keep(request, (received) => {
      const { method, url, headers } = received;
      const body = JSON.stringify({ method, url, headers, bodyBytes: received.body.length });
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      });
      response.end(body);
    });
  }

  /** Reads the whole body, keeps the request, then calls `then`. */
  keep(request: IncomingMessage, then: (received: ReceivedRequest) => void): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      const received = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body: Buffer.concat(chunks),
      };
      this.received.push(received);
      then(received);
    });
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
