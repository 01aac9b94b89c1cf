/**
 * Moves one large body and counts it: `node stream-client.js down|up|tls-down PORT BYTES`.
 *
 * On bare sockets, with one buffer that is used over and over, so that it costs as little as it
 * can; TLS makes a buffer for each read. Prints how many bytes arrived at the far end, and in how many seconds.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { OPEN_PREFIX } from './bench-requests.js';

/** What it prints before its figures. */
export const STREAM_RESULT = 'STREAM ';

export interface StreamResult {
  /** Received by whoever is at the end: this process, or the origin as it says itself. */
  readonly bytes: number;
  readonly seconds: number;
}

const HOST = '127.0.0.1';
const BUFFER_BYTES = 256 * 1024;
const HEAD_BYTES_MAX = 16_384;
const HEAD_END = '\r\n\r\n';

function download(port: number, bytes: number, open: OpenSocket): Promise<StreamResult> {
  const head = `GET ${OPEN_PREFIX}/stream/${bytes} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`;
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const reply = new ReplyCounter();
    const socket = open(port, (chunk) => {
      reply.take(chunk);
      if (reply.isComplete) {
        socket.destroy();
        resolve({ bytes: reply.bodyBytes, seconds: (performance.now() - startedMs) / 1000 });
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${reply.bodyBytes} bytes`)));
    socket.write(head);
  });
}

function upload(port: number, bytes: number): Promise<StreamResult> {
  const head =
    `POST ${OPEN_PREFIX}/stream HTTP/1.1\r\nHost: ${HOST}:${port}\r\n` +
    `Content-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\n\r\n`;
  const block = Buffer.alloc(BUFFER_BYTES, 'u');
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const reply = new ReplyCounter();
    const socket = openSocket(port, (chunk) => {
      reply.take(chunk);
      if (reply.isComplete) {
        socket.destroy();
        const counted = Number(/"bytes":(\d+)/.exec(reply.text)?.[1] ?? 0);
        resolve({ bytes: counted, seconds: (performance.now() - startedMs) / 1000 });
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed before the reply: ${reply.text}`)));
    let left = bytes;
    const pump = () => {
      while (left > 0) {
        const size = Math.min(left, block.length);
        left -= size;
        if (!socket.write(size === block.length ? block : block.subarray(0, size))) return;
      }
    };
    socket.on('drain', pump);
    socket.write(head);
    pump();
  });
}

type OpenSocket = (port: number, onBytes: (chunk: Uint8Array) => void) => Socket;

function openTlsSocket(port: number, onBytes: (chunk: Uint8Array) => void): Socket {
  return connectTls({ port, host: HOST, rejectUnauthorized: false }).on('data', onBytes);
}

function openSocket(port: number, onBytes: (chunk: Uint8Array) => void): Socket {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  return connect({
    port,
    host: HOST,
    onread: {
      buffer,
      callback(count) {
        onBytes(buffer.subarray(0, count));
        return true;
      },
    },
  });
}

/** Counts a reply's body; keeps the start of it as text. Needs a Content-Length. */
class ReplyCounter {
  bodyBytes = 0;
  text = '';
  #expected = Number.NaN;

  get isComplete(): boolean {
    return this.bodyBytes >= this.#expected;
  }

  take(chunk: Uint8Array): void {
    if (Number.isFinite(this.#expected)) {
      this.bodyBytes += chunk.length;
      if (this.text.length < HEAD_BYTES_MAX) this.#keep(chunk);
      return;
    }
    const before = this.text.length;
    this.#keep(chunk);
    const end = this.text.indexOf(HEAD_END);
    if (end < 0) return;
    if (!/^HTTP\/1\.1 200 /.test(this.text)) throw new Error(this.text.slice(0, 300));
    this.#expected = Number(/\r\ncontent-length: *(\d+)/i.exec(this.text)?.[1]);
    if (!Number.isFinite(this.#expected)) throw new Error('a reply without Content-Length');
    this.bodyBytes = before + chunk.length - (end + HEAD_END.length);
  }

  #keep(chunk: Uint8Array): void {
    this.text += Buffer.from(chunk.subarray(0, HEAD_BYTES_MAX)).toString('latin1');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [direction, port, bytes] = process.argv.slice(2);
  const open = direction === 'tls-down' ? openTlsSocket : openSocket;
  const result =
    direction === 'up'
      ? await upload(Number(port), Number(bytes))
      : await download(Number(port), Number(bytes), open);
  process.stdout.write(`\n${STREAM_RESULT}${JSON.stringify(result)}\n`);
}
