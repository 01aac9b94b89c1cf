/**
 * A client at a fixed rate, whatever the gateway does: what is due is sent, and its latency counts
 * from then on. Connections are kept, unless the plan says otherwise; one more is opened when none
 * is idle, up to a bound.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { type LoadFigures, type LoadReply, LoadTally } from './load-tally.js';

export interface LoadPlan {
  readonly port: number;
  /** Requests a second. */
  readonly rate: number;
  /** Connections at once; what is due without one waits. */
  readonly connections: number;
  readonly path: string;
  /** A reply later than this after it was due is of no use to anybody. */
  readonly deadlineMs: number;
  /** The authority of the server's certificate in PEM; absent: without TLS. */
  readonly ca?: string;
  /** Each request on a connection of its own. */
  readonly isFresh?: boolean;
  /** Over HTTP/2, without TLS. */
  readonly isHttp2?: boolean;
}

const TICK_MS = 2;
const IDLE_MS_MAX = 5000;

export class LoadClient {
  private readonly tally: LoadTally;
  private readonly idle: ClientConnection[] = [];
  private readonly all = new Set<ClientConnection>();
  private readonly due: number[] = [];
  private readonly timer: NodeJS.Timeout;
  private nextDueMs = performance.now();
  private isStopped = false;
  readonly request: string;

  constructor(readonly plan: LoadPlan) {
    this.tally = new LoadTally(plan.deadlineMs);
    const close = plan.isFresh === true ? 'Connection: close\r\n' : '';
    this.request = `GET ${plan.path} HTTP/1.1\r\nHost: load\r\n${close}\r\n`;
    this.timer = setInterval(() => this.onTick(), TICK_MS);
  }

  /** The figures so far; counting begins anew. */
  take(): LoadFigures {
    return this.tally.take();
  }

  get inFlight(): number {
    return this.all.size - this.idle.length;
  }

  /** Sends no more; resolves when what was sent is over, or after some seconds. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    const untilMs = performance.now() + 5000;
    while (this.inFlight > 0 && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const connection of this.all) connection.socket.destroy();
  }

  private onTick(): void {
    const nowMs = performance.now();
    for (; this.nextDueMs <= nowMs; this.nextDueMs += 1000 / this.plan.rate) {
      this.due.push(this.nextDueMs);
    }
    this.sendDue();
  }

  private sendDue(): void {
    while (this.due.length > 0 && !this.isStopped) {
      const connection = this.takeIdle() ?? this.open();
      if (connection === null) return;
      this.tally.onSent();
      connection.send(this.due.shift() ?? 0);
    }
  }

  /** The other side closes what is idle for ten seconds: one that is near that is not used. */
  private takeIdle(): ClientConnection | undefined {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined) return undefined;
      if (performance.now() - connection.idleSinceMs < IDLE_MS_MAX) return connection;
      connection.socket.destroy();
    }
  }

  private open(): ClientConnection | null {
    if (this.all.size >= this.plan.connections) return null;
    const connection = new ClientConnection(this);
    this.all.add(connection);
    return connection;
  }

  onReply(connection: ClientConnection, reply: LoadReply): void {
    this.tally.onReply(reply);
    if (connection.socket.destroyed) return;
    connection.idleSinceMs = performance.now();
    this.idle.push(connection);
    this.sendDue();
  }

  onClosed(connection: ClientConnection, isUnderRequest: boolean): void {
    this.all.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at !== -1) this.idle.splice(at, 1);
    if (!isUnderRequest || this.isStopped) return;
    this.tally.onDropped('connection ended');
  }
}

class ClientConnection {
  readonly socket: Socket;
  idleSinceMs = 0;
  private dueMs = -1;
  private sentMs = 0;
  private text = '';

  constructor(private readonly client: LoadClient) {
    const { port, ca } = client.plan;
    const where = { port, host: '127.0.0.1', noDelay: true };
    this.socket =
      ca === undefined ? connect(where) : connectSecurely({ ...where, ca, servername: 'load' });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => this.onText(text));
    this.socket.on('error', () => {});
    this.socket.on('close', () => client.onClosed(this, this.dueMs !== -1));
  }

  send(dueMs: number): void {
    this.dueMs = dueMs;
    this.sentMs = performance.now();
    this.socket.write(this.client.request);
  }

  private onText(text: string): void {
    this.text += text;
    const headEnd = this.text.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const bytes = Number(/content-length: (\d+)/i.exec(this.text.slice(0, headEnd))?.[1] ?? 0);
    if (this.text.length < headEnd + 4 + bytes) return;
    const status = Number(this.text.slice(9, 12));
    const isLast = /connection: close/i.test(this.text.slice(0, headEnd));
    const { dueMs, sentMs, text: body } = this;
    this.dueMs = -1;
    this.text = '';
    if (isLast) this.socket.destroy();
    this.client.onReply(this, { status, body, dueMs, sentMs });
  }
}
