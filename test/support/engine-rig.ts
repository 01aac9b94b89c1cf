/**
 * A real engine on a real port, an acceptor behind it with real lanes, and a worker that the test
 * plays: bytes of a client in, records out, and back. The clock stands still until the test moves it.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { CreateEngine } from '../../src/acceptor/client-engine.js';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../src/base/field-block.js';
import { WINDOW_BYTES } from '../../src/channel/lane.js';
import {
  type ExchangeId,
  writeInterimHead,
  writeTrailers,
} from '../../src/channel/records/field-records.js';
import {
  CONVERSATION,
  FLAG_END,
  RESPONSE_ABORT,
  RESPONSE_END,
  RESPONSE_TRAILERS,
  TUNNEL_DOWN,
  TUNNEL_END,
  writeBare,
  writeBody,
} from '../../src/channel/records/record-kind.js';
import { HEAD_CONNECTION, HEAD_FIELDS, HEAD_PEER } from '../../src/channel/records/request-head.js';
import {
  AcceptorRig,
  type AcceptorWish,
  type PlayedWorker,
  type RecordSeen,
} from './acceptor-rig.js';
import { eventually } from './eventually.js';
import type { TestCertificate } from './test-certificate.js';

const TURN_MS = 1;

/** One request as the worker has it, and its reply. */
export class PlayedExchange {
  body = '';
  isComplete = false;
  trailers = '';
  tunnel = '';
  isTunnelEnded = false;
  /** Why it was given up; '' while it was not. */
  aborted = '';
  /** So much of the body has come. */
  onData: (bytes: number) => void = () => {};
  /** The client has taken so much. */
  onWindow: (bytes: number) => void = () => {};

  constructor(
    private readonly worker: PlayedWorker,
    readonly id: ExchangeId,
    private readonly parts: readonly string[],
    readonly replyWindow = WINDOW_BYTES,
  ) {}

  /** `GET /a` */
  get line(): string {
    return this.parts.slice(0, 2).join(' ');
  }

  get peer(): string {
    return this.parts[HEAD_PEER] ?? '';
  }

  get connection(): string {
    return this.parts[HEAD_CONNECTION] ?? '';
  }

  /** Values of a field. */
  values(name: string): string[] {
    const { parts } = this;
    return parts.filter((_, at) => at > HEAD_FIELDS && at % 2 === 1 && parts[at - 1] === name);
  }

  onRecord({ what, text }: RecordSeen): void {
    if (what.startsWith('body')) {
      this.body += text;
      this.onData(text.length);
    }
    if (what === 'trailers') this.trailers = text;
    if (what === 'up') this.tunnel += text;
    if (what === 'up end') this.isTunnelEnded = true;
    if (what === 'abort') this.aborted = text;
    if (what === 'window') this.onWindow(Number(text));
    if (what.endsWith(' end') || what === 'end' || what === 'trailers') this.isComplete = true;
  }

  /** A whole reply. */
  reply(body = 'ok', status = 200, fields: FieldBlock = NO_FIELDS): void {
    this.head({ flags: FLAG_END, status, bodyBytes: Buffer.byteLength(body), fields, body });
  }

  head(wish: Parameters<PlayedWorker['head']>[1]): void {
    this.worker.head(this.id, wish);
  }

  send(body: string | Uint8Array, isLast = false): void {
    this.worker.body(this.id, body, isLast);
  }

  end(): void {
    this.bare(RESPONSE_END);
  }

  cut(): void {
    this.bare(RESPONSE_ABORT);
  }

  sendTrailers(name: string, value: string): void {
    writeTrailers(this.ring, RESPONSE_TRAILERS, this.id, field(name, value));
  }

  interim(status: number, name: string, value: string): void {
    writeInterimHead(this.ring, this.id, status, joinFields(field(name, value), NO_FIELDS));
  }

  /** The route takes the body as one side of a conversation. */
  conversation(): void {
    this.bare(CONVERSATION);
  }

  /** The client that waits for 100 may send its body. */
  wantBody(): void {
    writeInterimHead(this.ring, this.id, 100, NO_FIELDS);
  }

  sendDown(bytes: string): void {
    const { index, generation } = this.id;
    writeBody(this.ring, TUNNEL_DOWN, index, generation, Buffer.from(bytes));
  }

  endDown(): void {
    this.bare(TUNNEL_END);
  }

  giveWindow(bytes: number): void {
    this.worker.giveWindow(this.id, bytes);
  }

  private bare(kind: number): void {
    writeBare(this.ring, kind, this.id.index, this.id.generation);
  }

  private get ring() {
    return this.worker.end.producer;
  }
}

export class EngineRig {
  readonly rig: AcceptorRig;
  readonly exchanges: PlayedExchange[] = [];
  port = 0;
  /** What becomes of each request; default: the test says it. */
  serve: ((exchange: PlayedExchange) => void) | null = null;
  /** How long a test waits for something of this engine. */
  waitMs: number | undefined;

  /** What clients show of themselves in TLS. */
  clientCertificate: TestCertificate | null = null;

  private readonly open = new Map<string, PlayedExchange>();
  private readonly turns: NodeJS.Timeout;
  private readonly clients: RawClient[] = [];
  private readonly hasTls: boolean;

  private constructor(createEngine: CreateEngine, wish: AcceptorWish) {
    const connections = { connectionsMax: 5000, perAddressMax: 5000, isExempt: () => false };
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0, reusePort: false } as const;
    const settings = { address, ...wish.settings };
    this.hasTls = (settings.tls ?? null) !== null;
    this.rig = new AcceptorRig({ createEngine, connections, ...wish, settings });
    this.turns = setInterval(() => this.turn(), TURN_MS);
  }

  static async start(createEngine: CreateEngine, wish: AcceptorWish = {}): Promise<EngineRig> {
    const rig = new EngineRig(createEngine, wish);
    await rig.rig.opened;
    rig.port = rig.rig.acceptor.listeners[0]?.port ?? 0;
    return rig;
  }

  private turn(): void {
    this.rig.turn();
    const { worker } = this.rig;
    for (const record of worker.read()) {
      const key = `${record.index} ${record.generation}`;
      let exchange = this.open.get(key);
      if (record.what.startsWith('head')) {
        exchange = new PlayedExchange(worker, record, record.parts ?? [], record.replyWindow);
        this.open.set(key, exchange);
        this.exchanges.push(exchange);
      }
      exchange?.onRecord(record);
      if (record.what.startsWith('head') && exchange !== undefined) this.serve?.(exchange);
    }
  }

  /** A client that has connected. */
  connectPlain(): Promise<RawClient> {
    return this.connectTo({ port: this.port, host: '127.0.0.1' }, null);
  }

  /** `path`: of a Unix socket; `intro`: what is sent before TLS. */
  connect(path = '', intro = ''): Promise<RawClient> {
    const place = path === '' ? { port: this.port, host: '127.0.0.1' } : { path };
    return this.connectTo(place, this.hasTls ? { ...this.clientCertificate, intro } : null);
  }

  private async connectTo(place: NetConnectOpts, tls: TlsWish | null): Promise<RawClient> {
    const client = await RawClient.connect(place, tls, () => this.waitMs);
    this.clients.push(client);
    return client;
  }

  /** The request of this number. */
  async exchange(at = 0): Promise<PlayedExchange> {
    const isThere = (): boolean => this.exchanges.length > at;
    await eventually(`request ${at} comes to the worker`, isThere, this.waitMs);
    const exchange = this.exchanges[at];
    if (exchange === undefined) throw new Error('no such exchange');
    return exchange;
  }

  /** Codes of what the acceptor has answered itself. */
  get refusals(): string[] {
    return this.rig.localReplies.map(({ kind }) => kind.code);
  }

  get openConnections(): number {
    return this.rig.acceptor.connectionFigures.open;
  }

  advance(ms: number): void {
    this.rig.clock.advance(ms);
  }

  stop(): void {
    clearInterval(this.turns);
    for (const client of this.clients) client.destroy();
    this.rig.acceptor.close();
  }
}

interface TlsWish extends Partial<TestCertificate> {
  /** Sent before TLS begins. */
  readonly intro: string;
}

/** A client without a library. What comes is latin-1. */
export class RawClient {
  received = '';
  /** The other side has closed its way to the client. */
  isEnded = false;
  isClosed = false;
  /** The other side has reset the connection. */
  isReset = false;

  private constructor(
    readonly socket: Socket,
    private readonly waitMs: () => number | undefined,
  ) {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.received += text;
    });
    socket.on('end', () => {
      this.isEnded = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.isReset ||= error.code === 'ECONNRESET' || error.code === 'EPIPE';
    });
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  static connect(
    place: NetConnectOpts,
    tls: TlsWish | null,
    waitMs: () => number | undefined,
  ): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const raw = connect({ ...place, noDelay: true, allowHalfOpen: true });
      const trust = { servername: 'localhost', rejectUnauthorized: false, allowHalfOpen: true };
      if (tls !== null && tls.intro !== '') raw.write(tls.intro);
      const socket = tls === null ? raw : connectTls({ socket: raw, ...trust, ...tls });
      socket.once('error', reject);
      const event = tls === null ? 'connect' : 'secureConnect';
      socket.once(event, () => resolve(new RawClient(socket, waitMs)));
    });
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Closes the client's side; it still reads. */
  end(): void {
    this.socket.end();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Waits until this has come. */
  async until(what: string | RegExp): Promise<string> {
    const isThere = (): boolean =>
      typeof what === 'string' ? this.received.includes(what) : what.test(this.received);
    await eventually(`${what} comes`, isThere, this.waitMs()).catch((error: Error) => {
      throw new Error(`${error.message}; there is ${JSON.stringify(this.received.slice(-400))}`);
    });
    return this.received;
  }

  async closed(): Promise<void> {
    await eventually('the connection is closed', () => this.isClosed, this.waitMs());
  }

  async ended(): Promise<void> {
    const isOver = (): boolean => this.isEnded || this.isClosed;
    await eventually('the other side has closed', isOver, this.waitMs());
  }

  /** The names in the certificate of the server. */
  get serverNames(): string {
    return this.socket instanceof TLSSocket
      ? (this.socket.getPeerCertificate().subjectaltname ?? '')
      : '';
  }

  /** Statuses of all heads that came. */
  get statuses(): number[] {
    return [...this.received.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, code]) => Number(code));
  }
}
