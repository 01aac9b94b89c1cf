/**
 * Clients that hold as much of the gateway as sockets allow, in a process of their own.
 *
 * Each of them, when the gateway ends its connection, begins anew. The second half of this file is
 * what the process runs, from the build.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export class HostileClients {
  private constructor(private readonly child: ChildProcess) {}

  /** Resolves when all have connected. */
  static async start(port: number, count: number): Promise<HostileClients> {
    const child = fork(fileURLToPath(import.meta.url), [String(port), String(count)]);
    await new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`hostile clients ended with ${code}`)));
    });
    return new HostileClients(child);
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }
}

/** Sends the first text, then the others in turn, a piece each time that it is called. */
type Script = (socket: Socket, turn: number) => void;

const DRIP_MS = 4000;
const HEAD = 'HTTP/1.1\r\nHost: a\r\n';

const SCRIPTS: readonly Script[] = [
  // Idle: nothing at all.
  () => {},
  // A head that never ends.
  (socket, turn) => socket.write(turn === 0 ? `GET /quick ${HEAD}` : `X-${turn}: 1\r\n`),
  // A body that never ends, a byte at a time.
  (socket, turn) =>
    socket.write(turn === 0 ? `POST /quick ${HEAD}Content-Length: 100000\r\n\r\n` : 'x'),
  // Chunks without end.
  (socket, turn) =>
    socket.write(
      turn === 0 ? `POST /hang ${HEAD}Transfer-Encoding: chunked\r\n\r\n` : '1\r\nx\r\n',
    ),
  // A reply that is never read: the socket stays paused.
  (socket, turn) => {
    socket.pause();
    if (turn === 0) socket.write(`GET /quick ${HEAD}\r\n`);
  },
  // A request, and gone in the middle of it.
  (socket, turn) => {
    if (turn === 0) socket.write(`GET /hang ${HEAD}\r\n`);
    else socket.destroy();
  },
  // Half closed.
  (socket, turn) => {
    if (turn === 0) socket.end(`GET /hang ${HEAD}\r\n`);
  },
  // A head that is too large.
  (socket, turn) => {
    if (turn === 0) socket.write(`GET /quick ${HEAD}X: ${'y'.repeat(20_000)}\r\n\r\n`);
  },
  // Many fields, all with names that a bad hash would throw together.
  (socket, turn) => {
    const fields = Array.from({ length: 80 }, (_, at) => `x${at}: ${at}\r\n`).join('');
    if (turn === 0) socket.write(`GET /quick ${HEAD}${fields}\r\n`);
  },
];

function serve(port: number, count: number): void {
  let connected = 0;
  const begin = (at: number): void => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const script = SCRIPTS[at % SCRIPTS.length] as Script;
    let turn = 0;
    let timer: NodeJS.Timeout | undefined;
    const drip = (): void => {
      if (socket.writable || turn === 0) script(socket, turn++);
    };
    socket.on('connect', () => {
      connected++;
      if (connected === count) process.send?.('all');
      drip();
      timer = setTimeout(() => {
        timer = setInterval(drip, DRIP_MS);
      }, Math.random() * DRIP_MS);
    });
    socket.on('data', () => {});
    socket.on('end', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      setTimeout(() => begin(at), DRIP_MS * (0.5 + Math.random()));
    });
  };
  for (let at = 0; at < count; at++) begin(at);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  serve(Number(process.argv[2]), Number(process.argv[3]));
}
