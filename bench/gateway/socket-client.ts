/**
 * Messages over WebSockets that come back, as fast as that goes:
 * `node socket-client.js PORT SOCKETS SECONDS TRIPS`.
 *
 * Each socket sends its next message when the last one is back. With TRIPS above 0 it ends after as
 * many round trips, else after the time.
 */
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { SOCKET_PATH } from './bench-requests.js';

/** What it prints before its figures. */
export const SOCKET_RESULT = 'SOCKETS ';

export interface SocketResult {
  readonly trips: number;
  readonly seconds: number;
  /** By kind. */
  readonly errors: Readonly<Record<string, number>>;
}

const MESSAGE = Buffer.alloc(128, 'x');

function open(port: number): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const url = `ws://127.0.0.1:${port}${SOCKET_PATH}`;
    const socket = new WebSocket(url, [], { perMessageDeflate: false });
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function run(port: number, count: number, seconds: number, tripsMax: number): Promise<void> {
  const errors: Record<string, number> = {};
  const sockets = await Promise.all(Array.from({ length: count }, () => open(port)));
  const startMs = performance.now();
  let trips = 0;
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    const result: SocketResult = { trips, seconds: (performance.now() - startMs) / 1000, errors };
    for (const socket of sockets) socket.terminate();
    process.stdout.write(`${SOCKET_RESULT}${JSON.stringify(result)}\n`);
  };
  const timer = setTimeout(end, seconds * 1000);
  const fail = (kind: string): void => {
    if (!isOver) errors[kind] = (errors[kind] ?? 0) + 1;
  };
  for (const socket of sockets) {
    socket.on('error', () => fail('error'));
    socket.on('close', () => fail('closed'));
    socket.on('message', (data: Buffer) => {
      if (isOver) return;
      if (data.length !== MESSAGE.length) fail('another message');
      trips += 1;
      if (tripsMax > 0 && trips >= tripsMax) {
        clearTimeout(timer);
        end();
      } else socket.send(MESSAGE);
    });
    socket.send(MESSAGE);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = 0, count = 0, seconds = 0, trips = 0] = process.argv.slice(2).map(Number);
  await run(port, count, seconds, trips);
}
