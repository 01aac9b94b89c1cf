/**
 * The life of a request in a worker: every branch it can take is in this file.
 *
 * Thread: worker. Owns the exchanges in hand. Phases in order: route, authenticate, admit, forward,
 * reply. A phase goes on, waits, or refuses with a local reply; every exit passes finish(), once,
 * which gives back what is left, counts, and writes the access record. Within the last phase
 * retry-loop.ts may go to another target.
 */
import { defined } from '../base/assert.js';
import { PROBLEMS, type ProblemKind } from '../base/gateway-error.js';
import type { RequestIdSource } from '../base/request-id.js';
import { type ReplyView, VERDICT_ADMITTED } from '../channel/coordinator-records.js';
import {
  HEAD_METHOD,
  HEAD_PEER,
  HEAD_SCHEME,
  HEAD_TARGET,
} from '../channel/records/request-head.js';
import type { AuthenticationResult } from '../filters/authentication/jwt-authenticator.js';
import { normalizePath } from '../routing/normalize-path.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND } from '../routing/route-table.js';
import {
  ASK_ADMITTED,
  ASK_CLOSED,
  ASK_OPEN,
  ASK_PENDING,
  ASK_WAIT_MS,
  type CoordinatorClient,
} from './coordinator-client.js';
import type { DeadlineWheel } from './deadline-wheel.js';
import {
  Exchange,
  type ExchangeHead,
  PHASE_ADMIT,
  PHASE_AUTHENTICATE,
  PHASE_FORWARD,
  PHASE_REPLY,
  PHASE_ROUTE,
} from './exchange.js';
import type { ExchangeLedger } from './exchange-ledger.js';
import { limiterKeys } from './limiter-keys.js';
import { rateLimitField, retryAfterField } from './rate-limit-fields.js';
import type { ReplyWriter } from './reply-writer.js';
import type { RetryLoop } from './retry-loop.js';
import type { Forwarder } from './upstream/forwarder.js';
import { RequestFields } from './upstream/request-fields.js';
import { isConnectFailure } from './upstream/upstream-error.js';
import { detailOfVerdict, problemOfVerdict } from './verdict-problem.js';
import type { WorkerEpoch } from './worker-epoch.js';

/** How long a body that is collected before it is sent may take. */
const SMALL_BODY_WAIT_MS = 60_000;

type PhaseResult = 'next' | 'wait' | 'over';

export interface PipelineParts {
  /** What requests begin under. */
  readonly epochs: { readonly current: WorkerEpoch };
  readonly requestIds: RequestIdSource;
  readonly coordinator: CoordinatorClient;
  readonly forwarder: Forwarder;
  readonly tries: RetryLoop;
  readonly replies: ReplyWriter;
  readonly ledger: ExchangeLedger;
  readonly wheel: DeadlineWheel;
  nowMs(): number;
  /** Something was written or asked: publish it at the end of this turn. */
  touch(): void;
  /** A mistake of ours in handling one request. */
  onError(error: unknown): void;
}

export class RequestPipeline {
  private readonly exchanges = new Map<number, Exchange>();
  private readonly onDeadline = (exchange: Exchange, nowMs: number): void =>
    this.deadlinePassed(exchange, nowMs);

  constructor(private readonly parts: PipelineParts) {}

  /** The exchange of a record, or undefined when it has finished. */
  find(index: number, generation: number): Exchange | undefined {
    const exchange = this.exchanges.get(index);
    return exchange?.generation === generation ? exchange : undefined;
  }

  onRequest(head: ExchangeHead): Exchange {
    const exchange = new Exchange(head, this.onDeadline);
    this.exchanges.set(head.index, exchange);
    const epoch = this.parts.epochs.current;
    exchange.epoch = epoch;
    epoch.exchanges++;
    this.readHead(exchange, epoch);
    this.advance(exchange);
    return exchange;
  }

  /** The client is gone, or was answered by the acceptor: nothing here is of use any more. */
  onRequestAbort(exchange: Exchange, isAnswered: boolean): void {
    if (isAnswered) exchange.isAnsweredElsewhere = true;
    else this.parts.ledger.markAborted(exchange);
    this.finish(exchange);
  }

  /** Runs the phases until one waits or the exchange is over. */
  advance(exchange: Exchange): void {
    try {
      while (this.runPhase(exchange) === 'next') exchange.phase++;
    } catch (error) {
      // No request goes on unchecked because a check broke.
      this.breakOff(exchange, error);
    }
  }

  private runPhase(exchange: Exchange): PhaseResult {
    if (exchange.isFinished) return 'over';
    switch (exchange.phase) {
      case PHASE_ROUTE:
        return this.matchRoute(exchange);
      case PHASE_AUTHENTICATE:
        return this.authenticate(exchange);
      case PHASE_ADMIT:
        return this.admit(exchange);
      case PHASE_FORWARD:
        return this.forward(exchange);
      default:
        // PHASE_REPLY: what the target sends drives the rest; retry-loop.ts may try others.
        return 'wait';
    }
  }

  private readHead(exchange: Exchange, { trustedProxies }: WorkerEpoch): void {
    const { parts } = exchange;
    exchange.method = parts[HEAD_METHOD] ?? '';
    exchange.target = parts[HEAD_TARGET] ?? '';
    exchange.peer = parts[HEAD_PEER] ?? '';
    exchange.scheme = parts[HEAD_SCHEME] ?? '';
    const fields = new RequestFields(parts);
    exchange.fields = fields;
    exchange.requestId = this.parts.requestIds.keepOrMake(fields.requestId);
    exchange.clientIp = trustedProxies.clientOf(exchange.peer, fields.forwardedFor);
  }

  private matchRoute(exchange: Exchange): PhaseResult {
    const { target, method } = exchange;
    const mark = target.indexOf('?');
    const path = normalizePath(mark === -1 ? target : target.slice(0, mark));
    if (path === '') {
      const detail = 'The path can be read in more than one way (encoded slash or dot segment).';
      return this.refuse(exchange, PROBLEMS.badTarget, detail);
    }
    exchange.path = path;
    exchange.query = mark === -1 ? '' : target.slice(mark);
    const epoch = defined(exchange.epoch, 'the epoch of an exchange');
    const found = epoch.routeTable.find(method, path);
    if (found === ROUTE_NOT_FOUND) {
      return this.refuse(exchange, PROBLEMS.routeNotFound, 'No route takes this path.');
    }
    if (found === METHOD_NOT_ALLOWED) {
      const allowed = epoch.routeTable.allowedMethods(path).join(', ');
      const detail = `This path takes ${allowed}.`;
      return this.refuse(exchange, PROBLEMS.methodNotAllowed, detail, `\r\nAllow: ${allowed}`);
    }
    exchange.route = epoch.routeAt(found);
    return 'next';
  }

  private authenticate(exchange: Exchange): PhaseResult {
    const authenticators = exchange.route?.authenticators ?? [];
    if (authenticators.length === 0) return 'next';
    const { authorization, authorizationCount } = exchange.fields;
    if (authorizationCount > 1)
      return this.refuseCredentials(exchange, 'there are several of them');
    return this.tryAuthenticator(exchange, 0, authorization, '');
  }

  /** Tries the route's authenticators in order: the first that accepts decides. */
  private tryAuthenticator(
    exchange: Exchange,
    position: number,
    authorization: string,
    reason: string,
  ): PhaseResult {
    const authenticator = exchange.route?.authenticators[position];
    if (authenticator === undefined) return this.refuseCredentials(exchange, reason);
    const result = authenticator.authenticate(authorization, Date.now() / 1000);
    const decide = (final: AuthenticationResult): PhaseResult => {
      if (exchange.isFinished) return 'over';
      if (final.verdict === 'accepted') {
        exchange.consumer = final.consumer;
        return 'next';
      }
      const next = final.verdict === 'refused' ? final.reason : reason;
      return this.tryAuthenticator(exchange, position + 1, authorization, next);
    };
    if (!(result instanceof Promise)) return decide(result);
    result.then(
      (final) => this.resume(exchange, decide(final)),
      (error: unknown) => this.breakOff(exchange, error),
    );
    return 'wait';
  }

  private resume(exchange: Exchange, result: PhaseResult): void {
    if (result !== 'next') return;
    exchange.phase++;
    this.advance(exchange);
  }

  /** A mistake in what is done for one exchange ends that one, not the worker. */
  private guard(exchange: Exchange, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.breakOff(exchange, error);
    }
  }

  private breakOff(exchange: Exchange, error: unknown): void {
    this.parts.onError(error);
    if (!exchange.isFinished) {
      this.refuse(exchange, PROBLEMS.internal, 'The gateway made a mistake.');
    }
  }

  private refuseCredentials(exchange: Exchange, reason: string): PhaseResult {
    const challenge = reason === '' ? '' : ', error="invalid_token"';
    const field = `\r\nWWW-Authenticate: Bearer realm="sluice"${challenge}`;
    const detail =
      reason === ''
        ? 'This route needs a bearer token.'
        : `The credentials are refused: ${reason}.`;
    return this.refuse(exchange, PROBLEMS.unauthorized, detail, field);
  }

  private admit(exchange: Exchange): PhaseResult {
    const route = defined(exchange.route, 'the route of an admitted exchange');
    const nowMs = this.parts.nowMs();
    const keys = limiterKeys(exchange, route);
    const asked = this.parts.coordinator.askAdmission(exchange, route, keys, nowMs);
    if (asked === ASK_ADMITTED) {
      this.parts.ledger.countGranted();
      return 'next';
    }
    if (asked === ASK_OPEN) {
      this.parts.ledger.countOpen();
      return 'next';
    }
    if (asked === ASK_CLOSED) return this.refuseLost(exchange);
    if (asked !== ASK_PENDING) {
      return this.refuse(exchange, PROBLEMS.overloaded, 'Too many requests wait.', RETRY_SOON);
    }
    this.parts.ledger.countAsk();
    this.parts.wheel.set(exchange.deadline, nowMs + ASK_WAIT_MS);
    this.parts.touch();
    return 'wait';
  }

  /** The coordinator has answered the exchange's ask. */
  onVerdict(exchange: Exchange, reply: ReplyView): void {
    if (exchange.phase === PHASE_REPLY) {
      this.guard(exchange, () => this.parts.tries.onVerdict(exchange, reply));
      return;
    }
    this.parts.wheel.clear(exchange.deadline);
    const { limiters = [] } = exchange.route ?? {};
    const limiter = limiters.find((one) => one.index === reply.limiterIndex);
    if (limiter !== undefined) {
      const field = rateLimitField(limiter, reply.remaining, reply.resetMs);
      exchange.limitFields = exchange.route?.policyField + field;
    }
    if (reply.verdict === VERDICT_ADMITTED) {
      exchange.phase++;
      this.advance(exchange);
      return;
    }
    const retryAfter = retryAfterField(reply.retryAfterMs);
    this.refuse(
      exchange,
      problemOfVerdict(reply.verdict),
      detailOfVerdict(reply.verdict),
      retryAfter,
    );
  }

  private forward(exchange: Exchange): PhaseResult {
    if (!this.parts.forwarder.isReady(exchange)) {
      this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + SMALL_BODY_WAIT_MS);
      return 'wait';
    }
    exchange.phase = PHASE_REPLY;
    this.parts.tries.begin(exchange);
    return 'wait';
  }

  /** More of the request body came in. The bytes are valid inside the call only. */
  onRequestBody(exchange: Exchange, bytes: Uint8Array, isLast: boolean): void {
    this.parts.forwarder.takeBody(exchange, bytes, isLast);
    if (!isLast) return;
    if (exchange.phase === PHASE_FORWARD) this.advance(exchange);
    else if (exchange.phase === PHASE_REPLY) this.parts.tries.onRequestComplete(exchange);
  }

  /** The reply is complete as far as the target is concerned, and on its way. */
  onReplyComplete(exchange: Exchange): void {
    this.finish(exchange);
  }

  /** The last try has failed, and there is no reply to give, or only a part of one. */
  onTriesFailed(exchange: Exchange, problem: ProblemKind): void {
    if (exchange.isReplyStarted) {
      this.parts.replies.cut(exchange);
      this.parts.ledger.markCut(exchange);
      this.finish(exchange);
      return;
    }
    exchange.isHeadHeld = false;
    exchange.problem = problem;
    const detail = isConnectFailure(problem)
      ? 'The target cannot be reached.'
      : 'The target did not answer as it should.';
    this.parts.replies.sendProblem(exchange, problem, detail, exchange.limitFields);
    this.finish(exchange);
  }

  private deadlinePassed(exchange: Exchange, nowMs: number): void {
    if (exchange.isFinished) return;
    if (exchange.phase === PHASE_ADMIT) {
      this.parts.coordinator.abandon(exchange);
      this.parts.ledger.countAskTimeout();
      this.goOnWithoutCoordinator(exchange);
    } else if (exchange.phase === PHASE_FORWARD) {
      this.refuse(exchange, PROBLEMS.requestTimeout, 'The request body did not come in time.');
    } else if (exchange.phase === PHASE_REPLY) {
      this.guard(exchange, () => this.parts.tries.onDeadline(exchange, nowMs));
    }
  }

  /** No decision came in time: the route says what becomes of the request. */
  private goOnWithoutCoordinator(exchange: Exchange): void {
    const { route } = exchange;
    const isOpen =
      route?.config.onCoordinatorLost === 'open' &&
      this.parts.coordinator.admitOpen(exchange, route) === ASK_OPEN;
    if (!isOpen) {
      this.refuseLost(exchange);
      return;
    }
    this.parts.ledger.countOpen();
    exchange.phase++;
    this.advance(exchange);
  }

  private refuseLost(exchange: Exchange): PhaseResult {
    return this.refuse(exchange, PROBLEMS.coordinatorLost, 'No decision came in time.', RETRY_SOON);
  }

  private refuse(
    exchange: Exchange,
    problem: ProblemKind,
    detail: string,
    extraFields = '',
  ): PhaseResult {
    exchange.problem = problem;
    if (exchange.isReplyStarted) this.parts.replies.cut(exchange);
    else {
      const fields = exchange.limitFields + extraFields;
      this.parts.replies.sendProblem(exchange, problem, detail, fields);
    }
    this.finish(exchange);
    return 'over';
  }

  /** Every exit passes here; the second time does nothing. */
  private finish(exchange: Exchange): void {
    if (exchange.isFinished) return;
    exchange.isFinished = true;
    this.parts.wheel.clear(exchange.deadline);
    this.parts.coordinator.abandon(exchange);
    this.parts.tries.release(exchange);
    const { route } = exchange;
    this.parts.coordinator.endInFlight(exchange);
    if (route !== null) this.parts.coordinator.giveBack(exchange, route.upstream.index);
    this.exchanges.delete(exchange.index);
    if (exchange.epoch !== null) exchange.epoch.exchanges--;
    this.parts.ledger.close(exchange, this.parts.nowMs());
    this.parts.touch();
  }
}

const RETRY_SOON = '\r\nRetry-After: 1';
