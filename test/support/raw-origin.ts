/**
 * An origin without an HTTP library: it keeps every byte that it gets, cuts requests out of them
 * by the book, and answers each as the test says.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { TestCertificate } from './test-certificate.js';

export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Lower-case name and value, in order. */
  readonly fields: readonly (readonly [string, string])[];
  /** Latin-1, decoded when it was chunked. */
  readonly body: string;
  /** Content-Length and Transfer-Encoding fields as they came. */
  readonly framing: readonly string[];
}

/** Called for each complete request; the default says 200 and keeps the connection. */
export type RawScript = (socket: Socket, request: RawRequest, connection: RawConnection) => void;

export class RawConnection {
  bytes = '';
  readonly requests: RawRequest[] = [];
  /** Requests whose head is complete. */
  headCount = 0;
  private at = 0;
  private headAt = -1;

  constructor(readonly socket: Socket) {}

  /** What came behind the last complete request. */
  get rest(): string {
    return this.bytes.slice(this.at);
  }

  /** The next complete request, or null. */
  take(): RawRequest | null {
    const { rest } = this;
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd === -1) return null;
    if (this.headAt !== this.at) {
      this.headAt = this.at;
      this.headCount++;
    }
    const parsed = parseRequest(rest, headEnd);
    if (parsed === null) return null;
    this.at += parsed.bytes;
    this.requests.push(parsed.request);
    return parsed.request;
  }
}

export class RawOrigin {
  readonly connections: RawConnection[] = [];
  script: RawScript = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  /** Called for each new connection, before anything came. */
  onConnection: (socket: Socket) => void = () => {};
  /** Called whenever bytes came, before complete requests are answered. */
  onBytes: (connection: RawConnection) => void = () => {};

  private constructor(
    private readonly server: Server,
    readonly port: number,
    certificate: TestCertificate | null,
  ) {
    const secureContext = certificate === null ? null : createSecureContext({ ...certificate });
    server.on('connection', (socket) => {
      if (secureContext === null) this.accept(socket);
      else this.accept(secured(socket, new TLSSocket(socket, { isServer: true, secureContext })));
    });
  }

  /** Speaks TLS when it has a certificate. */
  static async start(certificate: TestCertificate | null = null): Promise<RawOrigin> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new RawOrigin(server, (server.address() as AddressInfo).port, certificate);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get requests(): RawRequest[] {
    return this.connections.flatMap((connection) => connection.requests);
  }

  get byteCount(): number {
    return this.connections.reduce((sum, connection) => sum + connection.bytes.length, 0);
  }

  /** Forgets what came; the connections stay. */
  forget(): void {
    this.connections.splice(0).forEach((connection) => {
      if (connection.socket.destroyed) return;
      const kept = new RawConnection(connection.socket);
      this.connections.push(kept);
    });
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(socket: Socket): void {
    this.connections.push(new RawConnection(socket));
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    this.onConnection(socket);
    socket.on('data', (text: string) => {
      const connection = this.connections.find((one) => one.socket === socket);
      if (connection === undefined) return;
      connection.bytes += text;
      this.onBytes(connection);
      for (let next = connection.take(); next !== null; next = connection.take()) {
        this.script(socket, next, connection);
      }
    });
  }
}

/** Only the socket below can reset the connection. */
function secured(below: Socket, socket: TLSSocket): TLSSocket {
  below.on('error', () => {});
  socket.resetAndDestroy = () => {
    below.resetAndDestroy();
    return socket;
  };
  return socket;
}

function parseRequest(
  text: string,
  headEnd: number,
): { request: RawRequest; bytes: number } | null {
  const [line = '', ...fieldLines] = text.slice(0, headEnd).split('\r\n');
  const [method = '', target = '', version = ''] = line.split(' ');
  const fields = fieldLines.map((field) => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const;
  });
  const framing = fields
    .filter(([name]) => name === 'content-length' || name === 'transfer-encoding')
    .map(([name, value]) => `${name}: ${value}`);
  const bodyAt = headEnd + 4;
  const length = Number(/^content-length: (\d+)$/.exec(framing[0] ?? '')?.[1] ?? 0);
  const isChunked = framing[0] === 'transfer-encoding: chunked';
  const body = isChunked ? readChunked(text, bodyAt) : readLength(text, bodyAt, length);
  if (body === null) return null;
  const request = { method, target, version, fields, body: body.text, framing };
  return { request, bytes: body.end };
}

function readLength(
  text: string,
  at: number,
  length: number,
): { text: string; end: number } | null {
  const end = at + length;
  return text.length < end ? null : { text: text.slice(at, end), end };
}

function readChunked(text: string, start: number): { text: string; end: number } | null {
  let body = '';
  let at = start;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const dataAt = lineEnd + 2;
    if (size === 0) {
      // The line of the last chunk ends with CRLF, and so does each field behind it.
      const end = text.indexOf('\r\n\r\n', lineEnd);
      return end === -1 ? null : { text: body, end: end + 4 };
    }
    if (!Number.isFinite(size) || text.length < dataAt + size + 2) return null;
    body += text.slice(dataAt, dataAt + size);
    at = dataAt + size + 2;
  }
}
