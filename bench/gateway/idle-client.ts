/**
 * Holds idle connections: `node idle-client.js PORT COUNT PATH [tls]`.
 *
 * Opens them a few at a time and sends a request on each. Those that wait for the last ones to
 * stand send another now and then, since a gateway may close a connection that says nothing for
 * ten seconds. Says when all stand, with how many failed, and from then on when one is closed.
 * Goes on until it is ended.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';

/** What it prints before the number of connections that failed. */
export const IDLE_READY = 'IDLE, failed: ';

const HOST = '127.0.0.1';
const OPENING_MAX = 200;
const REFRESH_MS = 4000;
/** The contenders with TLS keep idle connections longer, and their opening takes longer. */
const TLS_REFRESH_MS = 30_000;

interface IdleOptions {
  readonly port: number;
  readonly count: number;
  readonly path: string;
  readonly isTls: boolean;
}

async function hold({ port, count, path, isTls }: IdleOptions): Promise<void> {
  const sockets: Socket[] = [];
  const refresh = setInterval(
    () => {
      for (const socket of sockets) ask(socket, port, path);
    },
    isTls ? TLS_REFRESH_MS : REFRESH_MS,
  );
  let failed = 0;
  let started = 0;
  const openOneAfterAnother = async () => {
    while (started < count) {
      started += 1;
      const socket = await openOne(port, path, isTls);
      if (socket === undefined) failed += 1;
      else sockets.push(socket);
    }
  };
  await Promise.all(Array.from({ length: OPENING_MAX }, openOneAfterAnother));
  clearInterval(refresh);
  process.stdout.write(`\n${IDLE_READY}${failed}\n`);
}

function openOne(port: number, path: string, isTls: boolean): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const options = { port, host: HOST, rejectUnauthorized: false };
    const socket = isTls ? connectTls(options) : connect(options);
    let isAnswered = false;
    socket.once(isTls ? 'secureConnect' : 'connect', () => ask(socket, port, path));
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
  const [port, count, path = '/', mode] = process.argv.slice(2);
  await hold({ port: Number(port), count: Number(count), path, isTls: mode === 'tls' });
}
