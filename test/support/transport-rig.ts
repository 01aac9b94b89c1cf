/**
 * Exchanges over one transport with a scripted origin, without the rest of the gateway.
 */

import { connect, type Socket } from 'node:net';
import { undiciConnectionsTo } from '../../bench/alternatives/undici-transport.js';
import { systemClock } from '../../src/base/clock.js';
import type { ProblemKind } from '../../src/base/problems.js';
import type { CompiledTarget, CompiledUpstream } from '../../src/config/compiled-config.js';
import type { CompiledTargetTls } from '../../src/config/compiled-target-tls.js';
import type { Exchange } from '../../src/worker/exchange/exchange.js';
import { StreamedBody } from '../../src/worker/exchange/streamed-body.js';
import { connectionsTo } from '../../src/worker/upstream/upstream-connections.js';
import { isConnectionLoss, upstreamProblem } from '../../src/worker/upstream/upstream-error.js';
import type { UpstreamConnections } from '../../src/worker/upstream/upstream-transport.js';
import { type TryListener, UpstreamTry } from '../../src/worker/upstream/upstream-try.js';
import { WorkloadIdentity } from '../../src/worker/upstream/workload-identity.js';
import { makeExchange } from './make-exchange.js';
import { makeReadMemory } from './read-memory.js';
import { makeCertificate, type TestCertificate } from './test-certificate.js';

/** From a client that is believed nothing, to a target under its own name. */
export const SENT_PLAINLY = {
  isPeerTrusted: false,
  target: { authority: 'origin.example', tls: false },
  hidesHost: false,
  tunnelKey: '',
  addsVia: true,
} as const;

const NO_ADMISSION = { targetIndex: 0, ticket: 0 };

export type TransportChoice = 'lean' | 'lean over TLS' | 'undici' | 'h2c' | 'h2' | 'auto';

/** Transports of HTTP/2, each with its protocol in the configuration. */
export function isHttp2(transport: TransportChoice): transport is 'h2c' | 'h2' | 'auto' {
  return transport === 'h2c' || transport === 'h2' || transport === 'auto';
}

/** Made once: whoever trusts it trusts an origin that shows it. */
const certificate = makeCertificate();

/** What the origin of a rig must show; null: it speaks no TLS. */
export function certificateFor(transport: TransportChoice): TestCertificate | null {
  const isTls = transport === 'lean over TLS' || transport === 'h2' || transport === 'auto';
  return isTls ? certificate : null;
}

export interface SentRequest {
  readonly method?: string;
  readonly path?: string;
  readonly body?: Buffer | StreamedBody;
  readonly fields?: readonly string[];
  readonly tunnelKey?: string;
}

/** One exchange as its listener hears it. */
export class Probe implements TryListener {
  status = 0;
  replyFields = '';
  trailers = '';
  readonly interims: string[] = [];
  readonly pieces: Buffer[] = [];
  /** What the listener says to every piece. */
  wantsMore = true;
  onPiece: () => void = () => {};
  problem: ProblemKind | null = null;
  error: unknown = null;
  isLoss = false;
  hasBegun = false;
  /** Calls after the end; there must be none. */
  lateCalls = 0;
  isOver = false;
  readonly attempt: UpstreamTry;
  readonly over: Promise<void>;
  private end: () => void = () => {};

  constructor(
    readonly exchange: Exchange,
    connections: UpstreamConnections,
  ) {
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
    this.attempt = new UpstreamTry(exchange, this, connections, NO_ADMISSION);
  }

  get body(): string {
    return Buffer.concat(this.pieces).toString('latin1');
  }

  onHead(_attempt: UpstreamTry, status: number, block: { fields: string }): void {
    if (this.isOver || this.status !== 0) this.lateCalls++;
    this.status = status;
    this.replyFields = block.fields;
  }

  onBody(_attempt: UpstreamTry, chunk: Buffer): boolean {
    if (this.isOver) this.lateCalls++;
    this.pieces.push(Buffer.from(chunk));
    this.onPiece();
    return this.wantsMore;
  }

  onInterim(_attempt: UpstreamTry, status: number, fields: string): void {
    this.interims.push(`${status}${fields}`);
  }

  onComplete(_attempt: UpstreamTry, trailers: string): void {
    this.trailers = trailers;
    this.finish();
  }

  onFailure(attempt: UpstreamTry, error: unknown): void {
    this.problem = upstreamProblem(error);
    this.error = error;
    this.isLoss = isConnectionLoss(error);
    this.hasBegun = attempt.hasBegun;
    this.finish();
  }

  private finish(): void {
    if (this.isOver) this.lateCalls++;
    this.isOver = true;
    this.end();
  }
}

export class TransportRig {
  connectCount = 0;
  /** By how much time has moved on besides. */
  skewMs = 0;
  readonly connections: UpstreamConnections;
  private readonly authority: string;

  constructor(transport: TransportChoice, port: number, options: RigOptions = {}) {
    const { host = '127.0.0.1', connectMs = 5000 } = options;
    this.authority = `${host}:${port}`;
    const tls = certificateFor(transport) !== null;
    const target = {
      origin: `${tls ? 'https' : 'http'}://${this.authority}`,
      authority: this.authority,
      tls,
      serverName: host,
      tlsPlace: tls ? 0 : -1,
    };
    const settings = { ...TRUSTING, ...options.tls };
    const timeouts = { connectMs, responseMs: 5000, idleMs: 5000, perTryMs: 5000 };
    const upstream: Partial<CompiledUpstream> = {
      timeouts,
      tls: [settings],
      replyHeadBytes: options.replyHeadBytes ?? 16_384,
      protocol: isHttp2(transport) ? transport : 'http1',
      http2: { streamsMax: 100, connectionsMax: 16, pingMs: 0, pongMs: 10_000, ...options.http2 },
    };
    const memory = makeReadMemory();
    const connect = transport === 'undici' ? undiciConnectionsTo : connectionsTo;
    this.connections = connect(target as CompiledTarget, upstream as CompiledUpstream, {
      memory,
      workload: new WorkloadIdentity(),
      nowMs: () => systemClock.nowMs() + this.skewMs,
      onConnected: () => this.connectCount++,
    });
  }

  /** Sends, and returns without waiting. */
  send(request: SentRequest = {}): Probe {
    const { method = 'GET', path = '/a?b=c', body = null, fields = [], tunnelKey = '' } = request;
    const exchange = anExchange(method, body, fields);
    const probe = new Probe(exchange, this.connections);
    const { authority } = this;
    probe.attempt.send({ exchange, path, authority, ...SENT_PLAINLY, body, tunnelKey }, false);
    return probe;
  }

  async exchange(request: SentRequest = {}): Promise<Probe> {
    const probe = this.send(request);
    await probe.over;
    return probe;
  }

  async close(): Promise<void> {
    await this.connections.close();
  }
}

const TRUSTING: CompiledTargetTls = {
  ca: certificate.cert,
  cert: '',
  key: '',
  verifies: true,
  pins: [],
  minVersion: 'TLSv1.2',
  spiffe: null,
  digest: '',
};

export interface RigOptions {
  readonly replyHeadBytes?: number;
  readonly tls?: Partial<CompiledTargetTls>;
  readonly http2?: Partial<CompiledUpstream['http2']>;
  readonly host?: string;
  readonly connectMs?: number;
}

export function anExchange(
  method: string,
  body: Buffer | StreamedBody | null,
  fields: readonly string[] = [],
): Exchange {
  const bodyBytes = body instanceof StreamedBody ? body.bytes : (body?.length ?? 0);
  return makeExchange({ method, bodyBytes, fields: ['host', 'gateway.example', ...fields] });
}

/** Each byte in a turn of its own, so that each is a packet and is read alone. */
export async function drip(socket: Socket, text: string): Promise<void> {
  for (const byte of Buffer.from(text, 'latin1')) {
    if (socket.destroyed) return;
    socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Fills the queue of a listener that does not accept, so that the next connect hangs. */
export async function fillBacklog(port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  for (const socket of sockets) socket.on('error', () => {});
  await new Promise((resolve) => setTimeout(resolve, 200));
  return sockets;
}
