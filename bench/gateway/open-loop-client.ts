/**
 * Load at a constant rate: `node open-loop-client.js PORT PATH RATE SECONDS WARMUP CONNECTIONS`.
 *
 *   pacer thread ──(every 250 µs)──► this thread ──► N keep-alive connections
 *                                        ▲                │
 *                                        └── replies ◄────┘
 *
 * Requests are due on a grid of 4,000 moments a second, in equal numbers as far as the rate lets
 * them. Which moment a request belongs to is fixed before the run. One that is due while every
 * connection is busy waits for a connection, and its latency goes on counting: nothing is left
 * out because the other side was slow. How late this process itself came to each is counted as
 * well, since it has its own moments of sleep. The first WARMUP seconds are not counted.
 *
 * Timers of Node are whole milliseconds, which is too coarse here, and a loop that looks at the
 * clock all the time would take a core from the gateway. So a thread sleeps in Atomics.wait.
 */
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { LatencyHistogram } from '../support/latency-histogram.js';

/** What it prints before its figures. */
export const OPEN_LOOP_RESULT = 'OPEN LOOP ';

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface OpenLoopResult {
  readonly requests: number;
  /** Reply minus the moment the request was due. */
  readonly latencyUs: Percentiles;
  /** The moment this process got to it, minus the moment it was due. */
  readonly lateUs: Percentiles;
  readonly errors: Readonly<Record<string, number>>;
}

const HOST = '127.0.0.1';
const TICK_MS = 0.25;
/** The pacer wakes this much early; what is left is spun away. */
const EARLY_MS = 0.08;
const SPIN_MS_MAX = 0.15;
const START_DELAY_MS = 50;
const DRAIN_MS = 5000;
const HEAD_END = '\r\n\r\n';

interface Load {
  readonly port: number;
  readonly path: string;
  readonly rate: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly connections: number;
}

class Connection {
  dueMs = -1;
  #expected = -1;
  #text = '';
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(request: string, dueMs: number): void {
    this.dueMs = dueMs;
    this.#expected = -1;
    this.#text = '';
    this.socket.write(request, 'latin1');
  }

  /** The reply's status once it is whole, else 0. Negative: a reply without a length. */
  take(chunk: string): number {
    this.#text += chunk;
    if (this.#expected < 0) {
      const end = this.#text.indexOf(HEAD_END);
      if (end < 0) return 0;
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#text)?.[1];
      if (length === undefined) return -1;
      this.#expected = end + HEAD_END.length + Number(length);
    }
    return this.#text.length < this.#expected ? 0 : Number(this.#text.slice(9, 12));
  }
}

class OpenLoop {
  readonly #load: Load;
  readonly #request: string;
  readonly #latency = new LatencyHistogram();
  readonly #late = new LatencyHistogram();
  readonly #errors: Record<string, number> = {};
  readonly #all: Connection[] = [];
  readonly #free: Connection[] = [];
  /** Due moments of requests that found no free connection, oldest first. */
  readonly #waiting: number[] = [];
  #waitingHead = 0;
  /** Answered in whatever way, or lost with its connection. */
  #answered = 0;
  #countFromMs = 0;
  #isEnding = false;

  constructor(load: Load) {
    this.#load = load;
    this.#request = `GET ${load.path} HTTP/1.1\r\nHost: ${HOST}:${load.port}\r\n\r\n`;
  }

  async run(): Promise<OpenLoopResult> {
    const { rate, connections, warmupSeconds } = this.#load;
    const seconds = warmupSeconds + this.#load.seconds;
    await Promise.all(Array.from({ length: connections }, () => this.#open()));
    const total = Math.round(rate * seconds);
    let sent = 0;
    const pacer = new Pacer();
    const startMs = performance.now() + START_DELAY_MS;
    this.#countFromMs = startMs + warmupSeconds * 1000;
    const tickCount = Math.ceil(seconds * (1000 / TICK_MS));
    for (let tick = 0; tick < tickCount; tick += 1) {
      const dueMs = startMs + tick * TICK_MS;
      // A loop that is late catches up without sleeping: the moments stay where they were.
      if (performance.now() < dueMs - EARLY_MS) await pacer.sleep(dueMs - EARLY_MS);
      else await yieldToSockets();
      spinUntil(dueMs);
      const dueCount = Math.min(total, Math.ceil(((tick + 1) / tickCount) * total));
      for (; sent < dueCount; sent += 1) this.#ask(dueMs);
    }
    const deadlineMs = performance.now() + DRAIN_MS;
    while (this.#answered < sent && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.#answered < sent) this.#errors['no reply'] = sent - this.#answered;
    this.#isEnding = true;
    for (const one of this.#all) one.socket.destroy();
    await pacer.end();
    return {
      requests: this.#answered,
      latencyUs: percentilesOf(this.#latency),
      lateUs: percentilesOf(this.#late),
      errors: this.#errors,
    };
  }

  #ask(dueMs: number): void {
    if (dueMs >= this.#countFromMs) this.#late.record((performance.now() - dueMs) * 1000);
    const connection = this.#free.pop();
    if (connection === undefined) this.#waiting.push(dueMs);
    else connection.send(this.#request, dueMs);
  }

  async #open(): Promise<void> {
    const socket = connect({ port: this.#load.port, host: HOST, noDelay: true });
    const connection = new Connection(socket);
    socket.setEncoding('latin1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk: string) => this.#onData(connection, chunk));
    socket.on('close', () => this.#onClose(connection));
    this.#all.push(connection);
    this.#free.push(connection);
  }

  #onData(connection: Connection, chunk: string): void {
    const status = connection.take(chunk);
    if (status === 0 || connection.dueMs < 0) return;
    const { dueMs } = connection;
    connection.dueMs = -1;
    this.#answered += 1;
    if (status !== 200) this.#count(status < 0 ? 'no length' : String(status));
    else if (dueMs >= this.#countFromMs) this.#latency.record((performance.now() - dueMs) * 1000);
    const next = this.#waiting[this.#waitingHead];
    if (next === undefined) {
      this.#free.push(connection);
      return;
    }
    this.#waitingHead += 1;
    connection.send(this.#request, next);
  }

  #onClose(connection: Connection): void {
    if (this.#isEnding) return;
    // Idle ones may be closed by the gateway; only what was under way is an error.
    if (connection.dueMs >= 0) {
      this.#answered += 1;
      this.#count('closed');
    }
    const at = this.#free.indexOf(connection);
    if (at >= 0) this.#free.splice(at, 1);
    void this.#open().catch(() => undefined);
  }

  #count(kind: string): void {
    this.#errors[kind] = (this.#errors[kind] ?? 0) + 1;
  }
}

/** Wakes this thread at a moment, more exactly than a timer does. */
class Pacer {
  /** [0] moments asked for, [1] moments that came. */
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly #waitMs = new Float64Array(new SharedArrayBuffer(8));
  readonly #worker = new Worker(new URL('./open-loop-pacer.js', import.meta.url), {
    workerData: { words: this.#words, waitMs: this.#waitMs },
  });

  async sleep(untilMs: number): Promise<void> {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return;
    const seen = Atomics.load(this.#words, 1);
    this.#waitMs[0] = leftMs;
    Atomics.add(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
    const woken = waitAsync(this.#words, 1, seen);
    if (woken.async) await woken.value;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

interface AtomicsWithWaitAsync {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
  ): { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
}

function waitAsync(words: Int32Array, index: number, value: number) {
  return (Atomics as typeof Atomics & AtomicsWithWaitAsync).waitAsync(words, index, value);
}

/** For the last microseconds, never for long. */
function spinUntil(dueMs: number): void {
  const endMs = Math.min(dueMs, performance.now() + SPIN_MS_MAX);
  while (performance.now() < endMs);
}

function yieldToSockets(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function percentilesOf(histogram: LatencyHistogram): Percentiles {
  return {
    p50: histogram.percentile(50),
    p99: histogram.percentile(99),
    p999: histogram.percentile(99.9),
    max: histogram.max,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port, path = '/', rate, seconds, warmup, connections] = process.argv.slice(2);
  const result = await new OpenLoop({
    port: Number(port),
    path,
    rate: Number(rate),
    seconds: Number(seconds),
    warmupSeconds: Number(warmup),
    connections: Number(connections),
  }).run();
  process.stdout.write(`\n${OPEN_LOOP_RESULT}${JSON.stringify(result)}\n`);
}
