/**
 * The uWebSockets.js listener: sockets in, requests through the guard, onto the lanes.
 *
 * Thread: acceptor. Owns the listen socket and every response handle (in its exchanges).
 * Nothing that a client sends may throw out of a handler: the native side would end the process.
 */
import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js';
import type { Clock, Timer } from '../base/clock.js';
import { joinFields } from '../base/field-block.js';
import { formatAddress } from '../base/ip-address.js';
import { buildProblemReply, RETRY_SOON, responseTimeField } from '../base/problem-reply.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import { REQUEST_ID_FIELD, type RequestIdSource } from '../base/request-id.js';
import { StartupError } from '../base/startup-error.js';
import { PROTOCOL_HTTP_1_1 } from '../channel/records/request-head.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { ConnectionCaps, type ConnectionFigures, type ConnectionRule } from './connection-caps.js';
import { createConnectionCensus } from './connection-census.js';
import type { LaneDispatcher } from './lane-dispatcher.js';
import type { UwsApp, UwsModule } from './native-binary.js';
import { refusalDetail } from './refusal-detail.js';
import { RequestGuard } from './request-guard.js';
import { statusLine } from './status-line.js';
import { type ExchangeContext, UwsExchange } from './uws-exchange.js';
import { UwsHead } from './uws-head.js';

/** Well below the 8 to 12 seconds after which the library ends a reply that does not move. */
const REPLY_REFRESH_MS = 3000;

/** Heads up to this size are kept while their requests are in flight, to be sent once more. */
const KEPT_HEAD_CHARS_MAX = 8192;

/** What the acceptor tells of the replies that it made without a worker. */
export interface LocalReplyRecord {
  readonly requestId: string;
  readonly method: string;
  readonly target: string;
  readonly peer: string;
  readonly kind: ProblemKind;
  readonly durationMs: number;
}

export interface AcceptorOptions {
  readonly uws: UwsModule;
  readonly clock: Clock;
  readonly config: CompiledConfig;
  readonly dispatcher: LaneDispatcher;
  readonly requestIds: RequestIdSource;
  readonly connections: ConnectionRule;
  onLocalReply(record: LocalReplyRecord): void;
  /** An address has as many connections as it may. */
  onAddressFull(network: string): void;
  /** A mistake of ours while handling one request; that request is cut off. */
  onError(error: unknown): void;
}

export class Acceptor implements ExchangeContext {
  readonly dispatcher: LaneDispatcher;
  bodyBytesMax: number;
  isDraining = false;
  isClosed = false;

  private readonly app: UwsApp;
  private readonly guard: RequestGuard;
  private readonly head: UwsHead;
  private readonly refresher: Timer;
  private listenSocket: us_listen_socket | false = false;
  private port = 0;
  private caps: ConnectionCaps | null = null;

  constructor(private readonly options: AcceptorOptions) {
    this.dispatcher = options.dispatcher;
    this.bodyBytesMax = options.config.limits.bodyBytes;
    this.guard = new RequestGuard(options.config.limits);
    this.head = new UwsHead(this.guard);
    this.app = options.uws.App();
    this.app.any('/*', (res, req) => this.onRequest(res, req));
    this.refresher = options.clock.every(REPLY_REFRESH_MS, () => this.refreshReplyTimers());
  }

  /** Binds the port; resolves with it. Rejects when the address cannot be had. */
  async listen(): Promise<number> {
    const { uws, config } = this.options;
    const { host, port, reusePort } = config.listen;
    await this.watchConnections();
    // The native default is to share: a second gateway would silently take half of the clients.
    const sharing = reusePort ? uws.LIBUS_LISTEN_DEFAULT : uws.LIBUS_LISTEN_EXCLUSIVE_PORT;
    return new Promise((resolve, reject) => {
      this.app.listen(host, port, sharing, (socket) => {
        if (socket === false) {
          const reason = 'the address is in use or not ours';
          reject(new StartupError(`cannot listen on ${host}:${port}: ${reason}`));
          return;
        }
        this.listenSocket = socket;
        this.port = uws.us_socket_local_port(socket);
        resolve(this.port);
      });
    });
  }

  /** To be called before the first connection. */
  private async watchConnections(): Promise<void> {
    const { connections: rule, clock, onAddressFull, onError } = this.options;
    const census = await createConnectionCensus(() => this.port);
    const { nowMs } = clock;
    const caps = new ConnectionCaps({ rule, census, nowMs, onAddressFull, onError });
    this.caps = caps;
    const onChange = (res: HttpResponse, change: number): void => {
      if (change < 0) caps.onClosed();
      else if (!caps.onOpened(formatAddress(new Uint8Array(res.getRemoteAddress())))) res.close();
    };
    this.app.filter((res, change) => onChange(res, Number(change)));
  }

  get connectionFigures(): ConnectionFigures {
    const { open = 0, refusedInAll = 0, refusedOfAddress = 0 } = this.caps ?? {};
    return { open, refusedInAll, refusedOfAddress };
  }

  /** Sizes of requests that begin from now on, and whose connections are counted. */
  adopt({ limits }: CompiledConfig, connections: ConnectionRule): void {
    this.bodyBytesMax = limits.bodyBytes;
    this.guard.limits = limits;
    this.caps?.adopt(connections);
  }

  /** Connections close behind their replies from now on; new ones are still taken. */
  beginDrain(): void {
    this.isDraining = true;
  }

  /** No new connections; those that are open finish what they have, and close behind it. */
  stopListening(): void {
    this.beginDrain();
    if (this.listenSocket !== false) this.options.uws.us_listen_socket_close(this.listenSocket);
    this.listenSocket = false;
  }

  /** Closes every connection at once. */
  close(): void {
    this.refresher.cancel();
    this.isClosed = true;
    this.app.close();
    // Workers hear of it before they are told to stop.
    this.dispatcher.onDoorbell();
  }

  private refreshReplyTimers(): void {
    const bytesMin = (this.options.config.limits.bodyRate * REPLY_REFRESH_MS) / 1000;
    this.dispatcher.table.forEach((downstream) => {
      if (!(downstream instanceof UwsExchange)) return;
      downstream.refreshReplyTimer();
      downstream.checkUpload(bytesMin);
    });
  }

  // Hot path: every request passes here.
  private onRequest(res: HttpResponse, req: HttpRequest): void {
    let exchange: UwsExchange | null = null;
    res.onAborted(() => exchange?.onAborted());
    try {
      exchange = this.accept(res, req);
    } catch (error) {
      this.options.onError(error);
      if (exchange === null) res.close();
    }
  }

  private accept(res: HttpResponse, req: HttpRequest): UwsExchange {
    const nowMs = this.options.clock.nowMs();
    const { head } = this;
    const peer = formatAddress(new Uint8Array(res.getRemoteAddress()));
    const problem = head.read(req, peer);
    const exchange = new UwsExchange(this, res, {
      method: head.method,
      target: head.target,
      peer,
      receivedMs: nowMs,
      bodyBytes: head.bodyBytes,
      mustClose: head.mustClose || problem !== null,
      text: head.text.length <= KEPT_HEAD_CHARS_MAX ? head.text : '',
    });
    if (problem !== null) {
      this.refuse(exchange, problem);
      return exchange;
    }
    if (head.bodyBytes !== 0) {
      res.onData((data, isLast) => this.onData(exchange, data, isLast));
    }
    exchange.index = this.dispatcher.trySend(
      {
        receivedMs: nowMs,
        bodyBytes: head.bodyBytes,
        protocol: PROTOCOL_HTTP_1_1,
        listener: 0,
        text: head.text,
      },
      exchange,
    );
    if (exchange.index === -1) this.shed(exchange);
    return exchange;
  }

  private onData(exchange: UwsExchange, data: ArrayBuffer, isLast: boolean): void {
    try {
      exchange.onData(data, isLast, this.options.clock.nowMs());
    } catch (error) {
      this.options.onError(error);
      exchange.reply.abort();
    }
  }

  /**
   * Refusals are answered in a later turn, with the connection closed behind them: answered at
   * once, the parser would read on in bytes that nobody has vouched for.
   */
  private refuse(exchange: UwsExchange, problem: ProblemKind): void {
    const answer = (): void => this.replyLocally(exchange, problem, refusalDetail(problem));
    this.options.clock.afterTurn(answer);
  }

  private shed(exchange: UwsExchange): void {
    const isUnserved = this.dispatcher.servedLanes === 0;
    const kind = isUnserved ? PROBLEMS.notReady : PROBLEMS.overloaded;
    const detail = 'The gateway takes no more requests now; try again shortly.';
    if (exchange.request.bodyBytes === 0) this.replyLocally(exchange, kind, detail);
    else this.options.clock.afterTurn(() => this.replyLocally(exchange, kind, detail));
  }

  replyLocally(exchange: UwsExchange, kind: ProblemKind, detail: string): void {
    if (exchange.reply.isOver) return;
    exchange.reply.isOver = true;
    const { request, res } = exchange;
    const requestId = this.options.requestIds.next();
    const durationMs = this.options.clock.nowMs() - request.receivedMs;
    const time = responseTimeField(durationMs);
    const extra = kind.status === 503 ? joinFields(time, RETRY_SOON) : time;
    const { fields, body } = buildProblemReply(kind, requestId, detail, extra);
    const mustClose = request.mustClose || request.bodyBytes !== 0 || this.isDraining;
    res.cork(() => {
      res.writeStatus(statusLine(kind.status));
      res.writeHeader(REQUEST_ID_FIELD, requestId + fields);
      if (request.method !== 'HEAD') res.end(body, mustClose);
      else if (mustClose) res.end('', true);
      else res.endWithoutBody();
    });
    const { method, target, peer } = request;
    this.options.onLocalReply({ requestId, method, target, peer, kind, durationMs });
  }
}
