/**
 * One bound socket of the acceptor: what holds for its connections, and what they tell.
 *
 * Thread: acceptor. Owns whether it drains and how many connections are open. A socket is known by
 * its address: a reload that gives the address to a listener of another name or with other options
 * changes the settings here, and touches no connection.
 */
import type { Clock } from '../base/clock.js';
import type { ErrorPage } from '../base/error-pages.js';
import type { FieldBlock } from '../base/field-block.js';
import { PROBLEMS } from '../base/problems.js';
import type { RequestIdSource } from '../base/request-id.js';
import type { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import { answerChallenge, isChallenge } from './acme-challenge.js';
import type {
  ClientRequest,
  ClientSocket,
  FailedHandshake,
  ListenerHost,
  MalformedRequest,
  OpenListener,
} from './client-engine.js';
import { ClientExchange } from './client-exchange.js';
import type { ExchangeContext } from './exchange-context.js';
import type { LaneDispatcher } from './lane-dispatcher.js';
import type { LocalReplyRecord, RefusedRequest } from './local-reply.js';
import type { StrangerEvents } from './stranger-notes.js';
import { TrustedPeers } from './trusted-peers.js';

/** What a listener needs of its acceptor. */
export interface ListenerOwner
  extends Omit<ExchangeContext, 'fieldsOfRefusal' | 'pageOfRefusal' | 'redirectPort'> {
  /** Fields of a reply that is made without a worker, by its head and the name of its listener. */
  fieldsOfRefusal(method: string, target: string, text: string, listener: string): FieldBlock;
  /** The page of such a reply; null: it is a problem document. */
  pageOfRefusal(refused: RefusedRequest, text: string, listener: string): ErrorPage | null;
  /**
   * False: there are too many connections. `isExact`: their ends are told with addresses.
   * `isProxy`: many clients share the address.
   */
  onOpened(address: string, isExact: boolean, isProxy: boolean): boolean;
  onClosed(address: string): void;
  /** Where several acceptors count their connections; undefined: there is one. */
  readonly loads: AcceptorLoads | undefined;
  /** All requests with a sound head. */
  requestCount: number;
  readonly strangers: StrangerEvents;
  /** For an ACME server, by token; usually there are none. */
  readonly challengeAnswers: ReadonlyMap<string, string>;
}

export class AcceptorListener implements ListenerHost, ExchangeContext {
  readonly clock: Clock;
  readonly dispatcher: LaneDispatcher;
  readonly requestIds: RequestIdSource;
  settings: ListenerSettings;
  /** Connections, those that were refused and have not closed yet included. */
  openConnections = 0;
  refusedConnections = 0;
  /** Connections that were closed before their first request or given up, by reason. */
  readonly turnedAway = new Map<string, number>();
  /** TLS handshakes by outcome. */
  readonly handshakes = new Map<string, number>();

  /** What clients have done wrong in HTTP/2, by reason. */
  readonly mistakes = new Map<string, number>();

  private readonly proxies = new TrustedPeers();
  private bound: OpenListener | null = null;
  /** Bound for a configuration that is not in force yet: nobody may come in. */
  private isPending = true;
  private isStopped = false;

  constructor(
    private readonly owner: ListenerOwner,
    settings: ListenerSettings,
    private readonly tellsWhoCloses: boolean,
  ) {
    this.clock = owner.clock;
    this.dispatcher = owner.dispatcher;
    this.requestIds = owner.requestIds;
    this.settings = settings;
  }

  /** The TCP port; 0: it has none. */
  get port(): number {
    return this.bound?.port ?? 0;
  }

  /** Connections that are about to send their first request. */
  get newcomers(): number {
    return this.bound?.newcomers ?? 0;
  }

  get http2Connections(): number {
    return this.bound?.http2Connections ?? 0;
  }

  get http2Streams(): number {
    return this.bound?.http2Streams ?? 0;
  }

  onBound(bound: OpenListener): void {
    this.bound = bound;
  }

  /** Connections may come in, and from now on under these settings. */
  adopt(settings: ListenerSettings): void {
    this.settings = settings;
    this.isPending = false;
    this.countConnections();
  }

  /** No new connections; those that are open close behind their replies. */
  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.bound?.stop();
  }

  /** Up to `count` connections on which nothing is under way are closed. */
  letGo(count: number): void {
    this.bound?.letGo?.(count);
  }

  // What exchanges ask and tell.

  get isDraining(): boolean {
    return this.isStopped || this.owner.isDraining || this.dispatcher.isForsaken;
  }

  get redirectPort(): number {
    return this.settings.redirectToHttps?.port ?? 0;
  }

  get isClosed(): boolean {
    return this.owner.isClosed;
  }

  get bodyBytesMax(): number {
    return this.owner.bodyBytesMax;
  }

  get lingerBytesMax(): number {
    return this.owner.lingerBytesMax;
  }

  fieldsOfRefusal(method: string, target: string, text: string): FieldBlock {
    return this.owner.fieldsOfRefusal(method, target, text, this.settings.name);
  }

  pageOfRefusal(record: LocalReplyRecord, detail: string, text: string): ErrorPage | null {
    return this.owner.pageOfRefusal({ record, detail }, text, this.settings.name);
  }

  onLocalReply(record: LocalReplyRecord): void {
    this.owner.onLocalReply(record);
  }

  onError(error: unknown): void {
    this.owner.onError(error);
  }

  // What the engine tells.

  onOpened(address: string): boolean {
    this.openConnections += 1;
    const open = this.countConnections();
    const { connectionsMax } = this.settings;
    const hasRoom = connectionsMax === 0 || open <= connectionsMax;
    if (!hasRoom) {
      this.refusedConnections += 1;
      this.onTurnedAway('more than maxConnections');
    }
    const isProxy = this.proxies.has(address, this.settings);
    const isTaken = this.owner.onOpened(address, this.tellsWhoCloses, isProxy);
    return isTaken && hasRoom && !this.isPending;
  }

  onClosed(address: string): void {
    this.openConnections -= 1;
    this.countConnections();
    this.owner.onClosed(address);
  }

  /**
   * Returns how many connections the listener has at all acceptors. Only while it is in force the
   * row is its own.
   */
  private countConnections(): number {
    const { loads } = this.owner;
    const { openConnections, settings } = this;
    if (loads === undefined || this.isPending || this.isStopped) return openConnections;
    return loads.setOpenAt(settings.index, openConnections);
  }

  onTurnedAway(reason: string): void {
    this.turnedAway.set(reason, (this.turnedAway.get(reason) ?? 0) + 1);
    this.owner.strangers.onTurnedAway(this.settings.name, reason);
  }

  onMalformed({ method, target, peer, protocol, reason }: MalformedRequest): void {
    const made = { requestId: this.requestIds.next(), durationMs: 0 };
    const kind = PROBLEMS.malformedStream;
    this.onLocalReply({ ...made, method, target, peer, protocol, kind, cause: reason });
    this.onMistake(reason);
  }

  onMistake(reason: string): void {
    this.mistakes.set(reason, (this.mistakes.get(reason) ?? 0) + 1);
    this.owner.strangers.onMistake(this.settings.name, reason);
  }

  onGivenUp(reason: string): void {
    this.turnedAway.set(reason, (this.turnedAway.get(reason) ?? 0) + 1);
    this.owner.strangers.onGivenUp(this.settings.name, reason);
  }

  onHandshake(outcome: string, facts?: FailedHandshake): void {
    this.handshakes.set(outcome, (this.handshakes.get(outcome) ?? 0) + 1);
    if (outcome === 'done') return;
    this.owner.strangers.onHandshakeFailed(this.settings.name, outcome, facts);
  }

  // Hot path (bench/gateway/plain-get): every request passes here.
  onRequest(request: ClientRequest, socket: ClientSocket): void {
    this.owner.requestCount += 1;
    const { challengeAnswers: answers } = this.owner;
    if (answers.size > 0 && this.settings.tls === null && isChallenge(request, answers)) {
      answerChallenge(request, socket, answers, this.requestIds.next());
      return;
    }
    if (request.droppedFields > 0) {
      this.owner.strangers.onDroppedFields(this.settings.name, request);
    }
    const isGood = request.problem === null;
    if (isGood && this.dispatcher.refusals.tryRepeat(request, socket, this)) return;
    const exchange = new ClientExchange(this, socket, request);
    socket.attach(exchange);
    exchange.begin(request);
  }
}
