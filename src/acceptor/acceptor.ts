/**
 * Where clients come in: an engine that speaks with them, and an exchange for each request.
 *
 * Thread: acceptor. Owns the engine, the counts of connections, and what holds for requests that
 * begin now: sizes, and whether the gateway drains.
 */
import type { Clock, Timer } from '../base/clock.js';
import type { FieldBlock } from '../base/field-block.js';
import type { RequestIdSource } from '../base/request-id.js';
import type { ConnectionFigures } from '../channel/acceptor/acceptor-figures.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type {
  ClientEngine,
  ClientRequest,
  ClientSocket,
  CreateEngine,
  EngineCapabilities,
  EngineHost,
} from './client-engine.js';
import { ClientExchange, LOOK_MS } from './client-exchange.js';
import { ConnectionCaps, type ConnectionRule } from './connection-caps.js';
import type { ExchangeContext } from './exchange-context.js';
import type { LaneDispatcher } from './lane-dispatcher.js';
import type { LocalReplyRecord } from './local-reply.js';

/** What the acceptor goes by, and a reload may change. */
export interface AcceptorConfig {
  readonly limits: Pick<
    GatewaySettings['limits'],
    'headerBytes' | 'bodyBytes' | 'bodyOnGet' | 'lingerBytes' | 'bodyRate'
  >;
}

export interface AcceptorOptions {
  readonly createEngine: CreateEngine;
  readonly clock: Clock;
  readonly config: AcceptorConfig & Pick<GatewaySettings, 'listen'>;
  readonly dispatcher: LaneDispatcher;
  readonly requestIds: RequestIdSource;
  readonly connections: ConnectionRule;
  /** Fields for the reply to a request that never reaches a worker, by its head. */
  fieldsOfRefusal(method: string, target: string, text: string): FieldBlock;
  onLocalReply(record: LocalReplyRecord): void;
  /** An address has as many connections as it may. */
  onAddressFull(network: string): void;
  /** A mistake of ours while handling one request; that request is cut off. */
  onError(error: unknown): void;
}

export class Acceptor implements EngineHost, ExchangeContext {
  readonly clock: Clock;
  readonly dispatcher: LaneDispatcher;
  readonly requestIds: RequestIdSource;
  readonly capabilities: EngineCapabilities;
  guardLimits: AcceptorConfig['limits'];
  isDraining = false;
  isClosed = false;

  private readonly engine: ClientEngine;
  private readonly looks: Timer;
  private caps: ConnectionCaps | null = null;

  constructor(private readonly options: AcceptorOptions) {
    this.clock = options.clock;
    this.dispatcher = options.dispatcher;
    this.requestIds = options.requestIds;
    this.guardLimits = options.config.limits;
    this.engine = options.createEngine(this);
    this.capabilities = this.engine.capabilities;
    this.looks = options.clock.every(LOOK_MS, () => this.look());
  }

  /** Binds the port; resolves with it. Rejects when the address cannot be had. */
  async listen(): Promise<number> {
    const { connections: rule, clock, config, onAddressFull, onError } = this.options;
    const census = await this.engine.createCensus();
    const { nowMs } = clock;
    this.caps = new ConnectionCaps({ rule, census, nowMs, onAddressFull, onError });
    return this.engine.listen(config.listen);
  }

  get connectionFigures(): ConnectionFigures {
    const { open = 0, refusedInAll = 0, refusedOfAddress = 0 } = this.caps ?? {};
    return { open, refusedInAll, refusedOfAddress };
  }

  /** Sizes of requests that begin from now on, and whose connections are counted. */
  adopt({ limits }: AcceptorConfig, connections: ConnectionRule): void {
    this.guardLimits = limits;
    this.caps?.adopt(connections);
  }

  /** Connections close behind their replies from now on; new ones are still taken. */
  beginDrain(): void {
    this.isDraining = true;
  }

  /** No new connections; those that are open finish what they have, and close behind it. */
  stopListening(): void {
    this.beginDrain();
    this.engine.stopListening();
  }

  /** Closes every connection at once. */
  close(): void {
    this.looks.cancel();
    this.isClosed = true;
    this.engine.close();
    // Workers must see this before they are told to stop.
    this.dispatcher.onDoorbell();
  }

  private look(): void {
    const bytesMin = (this.options.config.limits.bodyRate * LOOK_MS) / 1000;
    this.dispatcher.table.forEach((downstream) => {
      downstream.onLook(bytesMin);
    });
  }

  // What exchanges ask and tell.

  get bodyBytesMax(): number {
    return this.guardLimits.bodyBytes;
  }

  get lingerBytesMax(): number {
    return this.guardLimits.lingerBytes;
  }

  fieldsOfRefusal(method: string, target: string, text: string): FieldBlock {
    return this.options.fieldsOfRefusal(method, target, text);
  }

  onLocalReply(record: LocalReplyRecord): void {
    this.options.onLocalReply(record);
  }

  onError(error: unknown): void {
    this.options.onError(error);
  }

  // What the engine tells.

  onOpened(address: string): boolean {
    return this.caps === null || this.caps.onOpened(address);
  }

  onClosed(): void {
    this.caps?.onClosed();
  }

  // Hot path (bench/gateway/plain-get): every request passes here.
  onRequest(request: ClientRequest, socket: ClientSocket): void {
    const exchange = new ClientExchange(this, socket, request);
    socket.attach(exchange);
    exchange.begin(request);
  }
}
