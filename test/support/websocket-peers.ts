/**
 * Raw ends of a WebSocket: a target that answers handshakes as the test says, and a client that
 * keeps every byte that it gets.
 */
import { createHash } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from './eventually.js';

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export function acceptFor(key: string): string {
  const text = `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  return createHash('sha1').update(text).digest('base64');
}

/** The head by which a target opens a tunnel. */
export function opening(head: string, more = ''): string {
  const key = /^sec-websocket-key: (\S+)\r$/im.exec(head)?.[1] ?? '';
  return (
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n${more}\r\n`
  );
}

export interface HandshakeWish {
  readonly path?: string;
  /** Lines in place of the usual ones; '' for one takes it away. */
  readonly lines?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly version?: string;
}

/** A handshake as a client sends it. */
export function handshake({ path = '/', lines = {}, ...rest }: HandshakeWish = {}): string {
  const { method = 'GET', version = '1.1' } = rest;
  const fields = {
    Host: 'gateway.test',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': KEY,
    ...lines,
  };
  const text = Object.entries(fields)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/${version}\r\n${text.join('')}\r\n`;
}

/** One end of a connection, and what has come of it. */
export class RawEnd {
  /** Bytes that have come. */
  received = 0;
  hasEnded = false;
  /** `closed`, or the code of the error that closed it; '': it is open. */
  closedBy = '';

  private pieces: Buffer[] = [];

  constructor(readonly socket: Socket) {
    socket.on('data', (piece: Buffer) => {
      this.received += piece.length;
      this.pieces.push(piece);
    });
    socket.on('end', () => {
      this.hasEnded = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.closedBy = error.code ?? 'error';
    });
    socket.on('close', () => {
      this.closedBy ||= 'closed';
    });
  }

  get bytes(): Buffer {
    const all = Buffer.concat(this.pieces);
    this.pieces = [all];
    return all;
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  /** What came behind the first head. */
  get behindHead(): Buffer {
    const end = this.bytes.indexOf('\r\n\r\n');
    return end === -1 ? Buffer.alloc(0) : this.bytes.subarray(end + 4);
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3}) /.exec(this.text)?.[1] ?? 0);
  }

  async until(what: string, holds: (end: RawEnd) => boolean): Promise<void> {
    await eventually(what, () => holds(this));
  }

  async untilHead(): Promise<void> {
    await this.until('the head is there', ({ text }) => text.includes('\r\n\r\n'));
  }
}

/** Connects, and sends the text. */
export function rawClient(port: number, text: string): RawEnd {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.write(text, 'latin1');
  return new RawEnd(socket);
}

export class RawTarget {
  readonly ends: RawEnd[] = [];
  /** Called once for each connection, with the head of its first request. */
  answer: (end: RawEnd, head: string) => void = (end, head) => end.socket.write(opening(head));

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      const end = new RawEnd(socket);
      this.ends.push(end);
      let isAnswered = false;
      socket.on('data', () => {
        if (isAnswered || !end.text.includes('\r\n\r\n')) return;
        isAnswered = true;
        this.answer(end, end.text.slice(0, end.text.indexOf('\r\n\r\n') + 4));
      });
    });
  }

  static async start(): Promise<RawTarget> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new RawTarget(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The connection that was opened last. */
  get last(): RawEnd {
    const end = this.ends.at(-1);
    if (end === undefined) throw new Error('nobody has connected');
    return end;
  }

  close(): void {
    for (const { socket } of this.ends) socket.destroy();
    this.server.close();
  }
}
