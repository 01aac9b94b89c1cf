/**
 * Holds idle connections: `node idle-client.js PORT COUNT PATH`.
 *
 * Opens them a few at a time and sends a request on each. Those that wait for the last ones to
 * stand send another now and then, since a gateway may close a connection that says nothing for
 * ten seconds. Says when all stand, with how many failed, and from then on when one is closed.
 * Goes on until it is ended.
 */
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

/** What it prints before the number of connections that failed. */
export const IDLE_READY = 'IDLE, failed: ';

const HOST = '127.0.0.1';
const OPENING_MAX = 200;
const REFRESH_MS = 4000;

async function hold(port: number, count: number, path: string): Promise<void> {
  const sockets: Socket[] = [];
  const refresh = setInterval(() => {
    for (const socket of sockets) ask(socket, port, path);
  }, REFRESH_MS);
  let failed = 0;
  let started = 0;
  const openOneAfterAnother = async () => {
    while (started < count) {
      started += 1;
      const socket = await openOne(port, path);
      if (socket === undefined) failed += 1;
      else sockets.push(socket);
    }
  };
  await Promise.all(Array.from({ length: OPENING_MAX }, openOneAfterAnother));
  clearInterval(refresh);
  process.stdout.write(`\n${IDLE_READY}${failed}\n`);
}

function openOne(port: number, path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    let isAnswered = false;
    socket.once('connect', () => ask(socket, port, path));
    // The reply is small and comes in one piece; a second one would only be ignored.
    socket.on('data', (chunk: Buffer) => {
      isAnswered = true;
      resolve(chunk.toString('latin1').includes(' 200 ') ? socket : undefined);
    });
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => {
      if (isAnswered) process.stdout.write('CLOSED\n');
      resolve(undefined);
    });
  });
}

function ask(socket: Socket, port: number, path: string): void {
  if (socket.writable) socket.write(`GET ${path} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port, count, path = '/'] = process.argv.slice(2);
  await hold(Number(port), Number(count), path);
}
