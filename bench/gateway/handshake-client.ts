/**
 * Opens TLS connections and closes them: `node handshake-client.js full|resumed PORT SECONDS`.
 *
 * A few at a time. Each closes its side right behind its last message of the handshake and waits
 * for the server to close the other: it has read all of the handshake then. `resumed` goes on from
 * one ticket over and over, and counts a handshake that the server made full as an error.
 */
import { type ConnectionOptions, connect } from 'node:tls';
import { fileURLToPath } from 'node:url';

/** What it prints before its figures. */
export const HANDSHAKE_RESULT = 'HANDSHAKES ';

export interface HandshakeResult {
  readonly done: number;
  readonly seconds: number;
  readonly errors: Readonly<Record<string, number>>;
}

const HOST = '127.0.0.1';
const OPEN_AT_ONCE = 16;

class Client {
  done = 0;
  readonly errors: Record<string, number> = {};

  constructor(private readonly options: ConnectionOptions) {}

  /** Opens connections until `isOver` says so. */
  async run(isOver: () => boolean): Promise<void> {
    const openOneAfterAnother = async () => {
      while (!isOver()) await this.openOne();
    };
    await Promise.all(Array.from({ length: OPEN_AT_ONCE }, openOneAfterAnother));
  }

  private async openOne(): Promise<void> {
    try {
      const isReused = await shakeHands(this.options);
      this.done += 1;
      if (isReused !== (this.options.session !== undefined)) this.count('another kind');
    } catch (error) {
      this.count(String((error as NodeJS.ErrnoException).code ?? error));
    }
  }

  private count(kind: string): void {
    this.errors[kind] = (this.errors[kind] ?? 0) + 1;
  }
}

/** Whether it was resumed, told when the connection is closed. */
function shakeHands(options: ConnectionOptions): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    let isReused: boolean | undefined;
    socket.once('secureConnect', () => {
      isReused = socket.isSessionReused();
      socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => {
      if (isReused === undefined) reject(new Error('closed in the handshake'));
      else resolve(isReused);
    });
    socket.resume();
  });
}

function fetchTicket(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    socket.once('session', (ticket) => {
      resolve(ticket);
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before a ticket came')));
    socket.resume();
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind, port, seconds] = process.argv.slice(2);
  const options: ConnectionOptions = {
    host: HOST,
    port: Number(port),
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
  };
  const isResumed = kind === 'resumed';
  const ticket = isResumed ? { session: await fetchTicket(options) } : {};
  const client = new Client({ ...options, ...ticket });
  const startedMs = performance.now();
  const endMs = startedMs + Number(seconds) * 1000;
  await client.run(() => performance.now() >= endMs);
  const took = (performance.now() - startedMs) / 1000;
  const result: HandshakeResult = { done: client.done, seconds: took, errors: client.errors };
  process.stdout.write(`\n${HANDSHAKE_RESULT}${JSON.stringify(result)}\n`);
}
