/**
 * A client that stops reading in the middle of a reply, and may go on later.
 */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';

/** Replies with a Content-Length only: what follows the head is the body as it is. */
export class SlowReader {
  head = '';
  bodyBytes = 0;
  isClosed = false;
  /** All the body that its head announces has come. */
  readonly complete: Promise<void>;
  readonly closed: Promise<void>;
  private readonly hash = createHash('sha256');
  private stopAtBytes: number;
  private onComplete: () => void = () => {};

  private constructor(
    readonly socket: Socket,
    stopAtBytes: number,
  ) {
    this.stopAtBytes = stopAtBytes;
    this.complete = new Promise((resolve) => {
      this.onComplete = resolve;
    });
    this.closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Asks for `path` and stops reading once this number of bytes of the body is here. */
  static get(port: number, path: string, stopAtBytes: number): SlowReader {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    return new SlowReader(socket, stopAtBytes);
  }

  get isStopped(): boolean {
    return this.bodyBytes >= this.stopAtBytes;
  }

  get announcedBytes(): number {
    return Number(/content-length: (\d+)/i.exec(this.head)?.[1] ?? -1);
  }

  resume(): void {
    this.stopAtBytes = Number.POSITIVE_INFINITY;
    this.socket.resume();
  }

  /** SHA-256 of the body so far; the last thing to ask for. */
  digest(): string {
    return this.hash.digest('hex');
  }

  private take(chunk: Buffer): void {
    const body = this.head.endsWith(HEAD_END) ? chunk : this.takeHead(chunk);
    this.hash.update(body);
    this.bodyBytes += body.length;
    if (this.bodyBytes >= this.stopAtBytes) this.socket.pause();
    if (this.bodyBytes === this.announcedBytes) this.onComplete();
  }

  private takeHead(chunk: Buffer): Buffer {
    const end = chunk.indexOf(HEAD_END);
    if (end === -1) {
      this.head += chunk.toString('latin1');
      return Buffer.alloc(0);
    }
    this.head += chunk.toString('latin1', 0, end + HEAD_END.length);
    return chunk.subarray(end + HEAD_END.length);
  }
}
