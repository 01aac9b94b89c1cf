/**
 * A client at a fixed rate over HTTP/2 in clear text: few connections, each with many streams. One
 * that the gateway leaves in order (GOAWAY) is used no more, and its streams may end.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { LoadPlan } from './load-client.js';
import { type LoadFigures, LoadTally } from './load-tally.js';

const TICK_MS = 2;
const STREAMS_MAX = 64;

export class Http2LoadClient {
  private readonly tally: LoadTally;
  private readonly sessions = new Map<ClientHttp2Session, { streams: number; isUsable: boolean }>();
  private readonly due: number[] = [];
  private readonly timer: NodeJS.Timeout;
  private nextDueMs = performance.now();
  private isStopped = false;

  constructor(private readonly plan: LoadPlan) {
    this.tally = new LoadTally(plan.deadlineMs);
    this.timer = setInterval(() => this.onTick(), TICK_MS);
  }

  take(): LoadFigures {
    return this.tally.take();
  }

  get inFlight(): number {
    return [...this.sessions.values()].reduce((sum, { streams }) => sum + streams, 0);
  }

  /** Sends no more; resolves when what was sent is over, or after some seconds. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    const untilMs = performance.now() + 5000;
    while (this.inFlight > 0 && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.isStopped = true;
    for (const session of this.sessions.keys()) session.destroy();
  }

  private onTick(): void {
    const nowMs = performance.now();
    for (; this.nextDueMs <= nowMs; this.nextDueMs += 1000 / this.plan.rate) {
      this.due.push(this.nextDueMs);
    }
    for (;;) {
      const [dueMs] = this.due;
      const session = dueMs === undefined ? null : (this.usable() ?? this.open());
      if (dueMs === undefined || session === null) return;
      this.due.shift();
      this.send(session, dueMs);
    }
  }

  /** The one with the fewest streams. */
  private usable(): ClientHttp2Session | null {
    const free = [...this.sessions].filter(
      ([{ closed }, { streams, isUsable }]) => isUsable && !closed && streams < STREAMS_MAX,
    );
    if (free.length < this.plan.connections && this.sessions.size < this.plan.connections)
      return null;
    return free.sort((a, b) => a[1].streams - b[1].streams)[0]?.[0] ?? null;
  }

  private open(): ClientHttp2Session | null {
    const usable = [...this.sessions.values()].filter(({ isUsable }) => isUsable);
    if (usable.length >= this.plan.connections) return null;
    const session = connect(`http://127.0.0.1:${this.plan.port}`);
    const state = { streams: 0, isUsable: true };
    this.sessions.set(session, state);
    session.on('goaway', () => {
      state.isUsable = false;
    });
    // Each stream tells of it by itself.
    session.on('error', () => {});
    session.on('close', () => this.sessions.delete(session));
    return session;
  }

  private send(session: ClientHttp2Session, dueMs: number): void {
    const state = this.sessions.get(session) ?? { streams: 0 };
    const sentMs = performance.now();
    state.streams++;
    this.tally.onSent();
    const stream = session.request({ ':path': this.plan.path, ':authority': 'load' });
    let [status, body, isWhole] = [0, '', false];
    stream.setEncoding('utf8');
    stream.on('response', (head) => {
      status = Number(head[':status']);
    });
    stream.on('data', (text: string) => {
      body += text;
    });
    stream.on('end', () => {
      isWhole = true;
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      state.streams--;
      if (isWhole && status !== 0) this.tally.onReply({ status, body, dueMs, sentMs });
      else if (!this.isStopped) this.tally.onDropped(`stream ended with ${stream.rstCode}`);
    });
  }
}
