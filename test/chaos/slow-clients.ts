/**
 * Clients of one kind that hold a connection and as good as nothing else, in a process of their own
 * and from many addresses. Each of them, when the gateway ends its connection, begins anew.
 *
 * The second half of this file is what the process runs, from the build.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { helloOf } from '../support/client-hello.js';

interface SlowKind {
  readonly name: string;
  /** On the port of TLS; `handshake`: the client finishes it. */
  readonly tls: 'no' | 'raw' | 'handshake';
  /** What is sent first. */
  readonly first: string;
  /** What is sent now and then. */
  readonly next: string;
  readonly isReading: boolean;
}

const HEAD = 'HTTP/1.1\r\nHost: load\r\n';
const PLAIN = { tls: 'no', first: '', next: '', isReading: true } as const;

export const SLOW_KINDS: readonly SlowKind[] = [
  { ...PLAIN, name: 'idle' },
  { ...PLAIN, name: 'slow heads', first: `GET /quick ${HEAD}X: `, next: 'y' },
  {
    ...{ ...PLAIN, name: 'slow bodies', next: 'x' },
    first: `POST /hang ${HEAD}Content-Length: 100000\r\n\r\n`,
  },
  { ...PLAIN, name: 'not reading', first: `GET /large ${HEAD}\r\n`, isReading: false },
  { ...PLAIN, name: 'no hello', tls: 'raw' },
  { ...PLAIN, name: 'half a handshake', tls: 'raw', first: 'hello' },
  { ...PLAIN, name: 'idle with TLS', tls: 'handshake' },
];

export interface SlowPlan {
  readonly kind: string;
  readonly port: number;
  readonly count: number;
}

export class SlowClients {
  private constructor(private readonly child: ChildProcess) {}

  /** Resolves when all have connected, and where they do have shaken hands. */
  static async start(plan: SlowPlan): Promise<SlowClients> {
    const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(plan)]);
    await new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`slow clients ended with ${code}`)));
    });
    return new SlowClients(child);
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }
}

const DRIP_MS = 1000;
const AGAIN_MS_MAX = 2000;
/** So that the clients of one address stay below its cap. */
const ADDRESSES = 50;
/** Handshakes under way at once; others are opened one a millisecond. */
const HANDSHAKES = 64;

class SlowFlock {
  private connected = 0;
  private begun = 0;

  constructor(
    private readonly plan: SlowPlan,
    private readonly kind: SlowKind,
    private readonly first: string | Buffer,
  ) {}

  begin(): void {
    if (this.kind.tls === 'handshake') {
      for (let at = 0; at < HANDSHAKES; at++) this.beginNext();
      return;
    }
    for (let at = 0; at < this.plan.count; at++) setTimeout(() => this.beginNext(), at);
  }

  private beginNext(): void {
    if (this.begun < this.plan.count) this.open(this.begun++);
  }

  private open(at: number): void {
    const { port } = this.plan;
    const localAddress = `127.0.1.${1 + (at % ADDRESSES)}`;
    const raw = connect({ port, host: '127.0.0.1', localAddress });
    const isSecure = this.kind.tls === 'handshake';
    const options = { socket: raw, servername: 'load', rejectUnauthorized: false };
    const socket: Socket = isSecure ? connectSecurely(options) : raw;
    let timer: NodeJS.Timeout | undefined;
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      this.onConnected();
      if (this.first.length > 0) socket.write(this.first);
      if (this.kind.next === '') return;
      timer = setInterval(() => socket.writable && socket.write(this.kind.next), DRIP_MS);
    });
    if (this.kind.isReading) socket.resume();
    socket.on('end', () => socket.destroy());
    socket.on('error', () => {});
    raw.on('error', () => {});
    raw.on('close', () => {
      clearInterval(timer);
      setTimeout(() => this.open(at), AGAIN_MS_MAX * Math.random());
    });
  }

  private onConnected(): void {
    this.connected++;
    if (this.connected === this.plan.count) process.send?.('all');
    if (this.kind.tls === 'handshake') this.beginNext();
  }
}

async function serve(plan: SlowPlan): Promise<void> {
  const kind = SLOW_KINDS.find(({ name }) => name === plan.kind);
  if (kind === undefined) throw new Error(`no such kind: ${plan.kind}`);
  const first = kind.first === 'hello' ? await helloOf({ servername: 'load' }) : kind.first;
  new SlowFlock(plan, kind, first).begin();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // Sockets that do not read do not keep a process alive.
  process.on('disconnect', () => process.exit());
  await serve(JSON.parse(process.argv[2] ?? '') as SlowPlan);
}
