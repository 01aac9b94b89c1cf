/**
 * Question: how much processor time does one plain exchange with a target cost this process?
 *
 *     this thread ══ 64 exchanges at a time ══► origin (uWebSockets.js, a process of its own)
 *
 * The figures are processor time of the whole process, user and system, not time that passed:
 * that is what a worker has to spend. `lean` and `undici` are what the gateway uses, with the
 * same listener behind them. `bare sockets` writes a fixed request and counts the bytes of the
 * reply: the floor, below which nothing on node:net can get. Rounds take turns, so that a machine
 * that slows down slows all of them.
 */

import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../src/base/clock.js';
import { BODY_BLOCKS_BYTES, BodyBlocks } from '../../../src/channel/body-blocks.js';
import { PROTOCOL_HTTP_1_1 } from '../../../src/channel/records/request-head.js';
import type { CompiledTarget, CompiledUpstream } from '../../../src/config/compiled-config.js';
import type { ReplyFieldBlock } from '../../../src/wire/http1/reply-fields.js';
import { Exchange } from '../../../src/worker/exchange/exchange.js';
import { RequestFields } from '../../../src/worker/exchange/request-fields.js';
import { RequestHead } from '../../../src/worker/exchange/request-head.js';
import { ReadMemory } from '../../../src/worker/upstream/read-memory.js';
import { connectionsTo } from '../../../src/worker/upstream/upstream-connections.js';
import type { UpstreamConnections } from '../../../src/worker/upstream/upstream-transport.js';
import { type TryListener, UpstreamTry } from '../../../src/worker/upstream/upstream-try.js';
import { WorkloadIdentity } from '../../../src/worker/upstream/workload-identity.js';
import { undiciConnectionsTo } from '../../alternatives/undici-transport.js';
import { ORIGIN_READY } from '../../gateway/origin.js';
import { type Bench, fold, summarise } from '../../support/bench-harness.js';
import { ChildProcesses, waitUntil } from '../../support/child-processes.js';

const ORIGIN = fileURLToPath(new URL('../../gateway/origin.js', import.meta.url));
const ORIGIN_DEADLINE_MS = 10_000;
const FIELDS = [
  ...['host', 'gateway.example', 'user-agent', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0'],
  ...['accept', 'application/json', 'accept-language', 'en', 'accept-encoding', 'gzip, br'],
];

export interface TransportLoad {
  readonly port: number;
  readonly concurrency: number;
}

/** Makes exchanges until it has made as many as asked; then calls `onDone` with a checksum. */
export interface TransportDriver {
  run(exchanges: number): Promise<number>;
  close(): Promise<void>;
}

export const bench: Bench = {
  question: 'how much processor time does one plain exchange with a target cost?',

  async run(context) {
    const exchanges = context.parameter('exchanges', 200, 60_000);
    const rounds = context.parameter('rounds', 1, 7);
    const concurrency = context.parameter('concurrency', 8, 64);
    const children = new ChildProcesses();
    try {
      const port = await startOrigin(children);
      const drivers = makeDrivers({ port, concurrency });
      const taken = drivers.map(() => [] as number[]);
      const checksums = drivers.map(() => 0);
      for (const { driver } of drivers) await driver.run(exchanges);
      for (let round = 0; round < rounds; round++) {
        for (const [at, { driver }] of drivers.entries()) {
          const before = process.cpuUsage();
          checksums[at] = await driver.run(exchanges);
          const { user, system } = process.cpuUsage(before);
          taken[at]?.push(((user + system) * 1000) / exchanges);
        }
      }
      for (const { driver } of drivers) await driver.close();
      return drivers.map(({ name, role }, at) =>
        summarise({ name, role, nsPerOperation: taken[at] ?? [], checksum: checksums[at] ?? 0 }),
      );
    } finally {
      await children.stopAll();
    }
  },
};

export async function startOrigin(children: ChildProcesses): Promise<number> {
  const child = children.start('origin', [process.execPath, ORIGIN]);
  const port = (): number => Number(new RegExp(`${ORIGIN_READY}(\\d+)`).exec(child.output)?.[1]);
  await waitUntil('the origin listens', ORIGIN_DEADLINE_MS, async () => port() > 0, child);
  return port();
}

export function makeDrivers(load: TransportLoad) {
  return [
    { name: 'lean', role: 'subject', driver: new TryDriver(load, 'lean') },
    { name: 'undici', role: 'alternative', driver: new TryDriver(load, 'undici') },
    { name: 'bare sockets', role: 'alternative', driver: new BareDriver(load) },
  ] as const;
}

/** Exchanges as the forwarder makes them: all that ended in one turn begin anew at its end. */
class TryDriver implements TransportDriver, TryListener {
  private readonly connections: UpstreamConnections;
  private readonly idle: Exchange[] = [];
  private left = 0;
  private inFlight = 0;
  private checksum = 0;
  private isScheduled = false;
  private onDone: (checksum: number) => void = () => undefined;
  private onFail: (error: unknown) => void = () => undefined;
  private readonly onTurn = (): void => this.startIdle();

  constructor(load: TransportLoad, transport: 'lean' | 'undici') {
    const hostPort = `127.0.0.1:${load.port}`;
    const target = { origin: `http://${hostPort}`, authority: hostPort, tls: false };
    const timeouts = { connectMs: 5000, responseMs: 5000, idleMs: 5000, perTryMs: 5000 };
    const upstream: Partial<CompiledUpstream> = { timeouts, tls: [], protocol: 'http1' };
    const blocks = new BodyBlocks(new SharedArrayBuffer(BODY_BLOCKS_BYTES), 0);
    const connect = transport === 'undici' ? undiciConnectionsTo : connectionsTo;
    this.connections = connect(target as CompiledTarget, upstream as CompiledUpstream, {
      memory: new ReadMemory({ blocks, giveBack: (block) => void blocks.giveBack(block) }),
      workload: new WorkloadIdentity(),
      nowMs: systemClock.nowMs,
      onConnected: () => undefined,
    });
    for (let slot = 0; slot < load.concurrency; slot++) this.idle.push(makeExchange());
  }

  run(exchanges: number): Promise<number> {
    this.left = exchanges;
    this.checksum = 0;
    return new Promise((resolve, reject) => {
      this.onDone = resolve;
      this.onFail = reject;
      this.startIdle();
    });
  }

  private startIdle(): void {
    this.isScheduled = false;
    while (this.left > 0) {
      const exchange = this.idle.pop();
      if (exchange === undefined) return;
      this.left--;
      this.inFlight++;
      const attempt = new UpstreamTry(exchange, this, this.connections, NO_ADMISSION);
      const { path } = exchange;
      const request = { exchange, path, authority: AUTHORITY, ...SENT, body: null };
      attempt.send(request, false);
    }
    if (this.inFlight === 0) this.onDone(this.checksum);
  }

  onHead({ exchange }: UpstreamTry, status: number, block: ReplyFieldBlock): void {
    exchange.reply.onHead(status, block, false, 0);
  }

  onInterim(): void {}

  onBody({ exchange }: UpstreamTry, chunk: Buffer): boolean {
    exchange.reply.onSent(chunk.length);
    return true;
  }

  onComplete({ exchange }: UpstreamTry): void {
    const { status, bodyBytes, bytesSent } = exchange.reply;
    if (status !== 200 || bytesSent !== bodyBytes) this.onFail('a bad reply');
    // The exchange is used again.
    exchange.reply.onSent(-bytesSent);
    this.checksum = fold(this.checksum, status);
    this.inFlight--;
    this.idle.push(exchange);
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(this.onTurn);
  }

  onFailure(_attempt: UpstreamTry, error: unknown): void {
    this.onFail(error);
  }

  async close(): Promise<void> {
    await this.connections.close();
  }
}

const NO_ADMISSION = { targetIndex: 0, ticket: 0 };
const AUTHORITY = 'origin.example:8080';
const SENT = {
  isPeerTrusted: false,
  target: { authority: AUTHORITY, tls: false },
  hidesHost: false,
  tunnelKey: '',
  addsVia: false,
} as const;

function makeExchange(): Exchange {
  const parts = ['GET', '/products/4711', '192.0.2.7', 'https', ...FIELDS];
  const record = {
    index: 0,
    generation: 0,
    receivedMs: 0,
    bodyBytes: 0,
    isComplete: true,
    expectsContinue: false,
    wantsTunnel: false,
    protocol: PROTOCOL_HTTP_1_1,
    listener: 0,
    parts,
  };
  const requestId = '0123456789abcdef-0000001';
  const head = new RequestHead(record, new RequestFields(parts), requestId, '192.0.2.7');
  head.onPath('/products/4711', '');
  return new Exchange(record, head, null, () => undefined);
}

const BARE_REQUEST = `GET /products/4711 HTTP/1.1\r\n${FIELDS.map((part, at) =>
  at % 2 === 0 ? `${part}: ` : `${part}\r\n`,
).join('')}x-padding: ${'x'.repeat(320)}\r\n\r\n`;
const BARE_REPLY_END = '"}';

class BareDriver implements TransportDriver {
  constructor(private readonly load: TransportLoad) {}

  async run(exchanges: number): Promise<number> {
    const buffer = Buffer.allocUnsafe(65_536);
    let left = exchanges;
    let checksum = 0;
    const each = Array.from(
      { length: this.load.concurrency },
      () =>
        new Promise<void>((resolve, reject) => {
          const next = (): void => {
            if (left-- > 0) socket.write(BARE_REQUEST, 'latin1');
            else socket.end(resolve);
          };
          const callback = (bytes: number): boolean => {
            if (buffer.toString('latin1', bytes - 2, bytes) !== BARE_REPLY_END) return true;
            checksum = fold(checksum, 200);
            setImmediate(next);
            return true;
          };
          const socket = connect({
            ...{ host: '127.0.0.1', port: this.load.port, noDelay: true },
            onread: { buffer, callback },
          });
          socket.on('connect', next).on('error', reject);
        }),
    );
    await Promise.all(each);
    return checksum;
  }

  async close(): Promise<void> {}
}
