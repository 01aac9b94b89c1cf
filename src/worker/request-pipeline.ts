/**
 * The life of a request in a worker: every branch it can take is in this file.
 *
 * Thread: worker. Owns the exchanges in hand. Phases in order: route, enter, authenticate, admit,
 * edit, forward, reply. A phase goes on, waits, or gives a local reply; every exit passes finish(),
 * once, which gives back what is left, counts, and writes the access record. Filters have their
 * places in `enter` (before the caller is known), `edit`, and `forward` (whole bodies). Within the
 * last phase retry-loop.ts may go to another target.
 */
import { defined } from '../base/assert.js';
import { joinFields, NO_FIELDS } from '../base/field-block.js';
import { RETRY_SOON } from '../base/problem-reply.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import {
  type ReplyView,
  VERDICT_ADMITTED,
  VERDICT_RATE_LIMITED,
} from '../channel/coordinator/coordinator-records.js';
import { FLAG_ANSWERED, FLAG_CUT } from '../channel/records/record-kind.js';
import type { CompiledTokenEndpoint } from '../config/compiled-config.js';
import type { EditStep } from '../filters/filter.js';
import { type LocalReply, refusal } from '../filters/local-reply.js';
import {
  ASK_ADMITTED,
  ASK_CLOSED,
  ASK_LIMITED,
  ASK_OPEN,
  ASK_PENDING,
  ASK_WAIT_MS,
} from './admission/coordinator-client.js';
import { detailOfVerdict, problemOfVerdict } from './admission/verdict-problem.js';
import {
  Exchange,
  PHASE_ADMIT,
  PHASE_AUTHENTICATE,
  PHASE_EDIT,
  PHASE_ENTER,
  PHASE_FORWARD,
  PHASE_REPLY,
  PHASE_ROUTE,
  type RequestRecord,
  routeOf,
} from './exchange/exchange.js';
import { ExchangeTable } from './exchange/exchange-table.js';
import {
  AUTHENTICATION_WAIT_MS,
  type AuthenticationOutcome,
  AuthenticationPhase,
} from './identity/authentication-phase.js';
import type { PipelineParts } from './pipeline-parts.js';
import { retryAfterField } from './route/rate-limit-fields.js';
import { isConnectFailure } from './upstream/upstream-error.js';

/** How long a body that is collected before it is sent may take. */
const SMALL_BODY_WAIT_MS = 60_000;
/** How long a stage may keep a reply of the gateway's own. */
const LOCAL_REPLY_WAIT_MS = 60_000;

type PhaseResult = 'next' | 'wait' | 'over';

export class RequestPipeline {
  private readonly exchanges = new ExchangeTable();
  private readonly onDeadline = (exchange: Exchange, nowMs: number): void =>
    this.deadlinePassed(exchange, nowMs);

  private readonly authentication: AuthenticationPhase;

  constructor(private readonly parts: PipelineParts) {
    this.authentication = new AuthenticationPhase(
      parts.unixMs,
      (exchange, outcome) => this.onAuthenticated(exchange, outcome),
      (exchange, error) => this.breakOff(exchange, error),
    );
  }

  /** Exchanges in hand. */
  get inFlight(): number {
    return this.exchanges.count;
  }

  /** The exchange of a record, or undefined when it has finished. */
  find(index: number, generation: number): Exchange | undefined {
    return this.exchanges.find(index, generation);
  }

  onRequest(record: RequestRecord): Exchange {
    const epoch = this.parts.epochs.current;
    const head = epoch.matcher.readHead(record, this.parts.requestIds);
    const exchange = new Exchange(record, head, epoch, this.onDeadline);
    this.exchanges.add(exchange);
    epoch.exchanges++;
    this.parts.ledger.begin(exchange);
    this.advance(exchange);
    return exchange;
  }

  /** The client is gone, or the acceptor had its end: nothing here is of use any more. */
  onRequestAbort(exchange: Exchange, flags: number): void {
    const { reply } = exchange;
    if ((flags & FLAG_ANSWERED) !== 0) {
      reply.onAnsweredElsewhere();
    } else if ((flags & FLAG_CUT) !== 0) {
      this.parts.ledger.countCut(exchange);
      reply.onShutdown();
    } else {
      this.parts.ledger.countClientLeft();
      reply.onClientLeft();
    }
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
      case PHASE_ENTER:
        return this.enter(exchange);
      case PHASE_AUTHENTICATE:
        return this.authenticate(exchange);
      case PHASE_ADMIT:
        return this.admit(exchange);
      case PHASE_EDIT:
        return this.runSteps(exchange, routeOf(exchange).filters.editSteps);
      case PHASE_FORWARD:
        return this.forward(exchange);
      default:
        // PHASE_REPLY: what the target sends drives the rest; retry-loop.ts may try others.
        return 'wait';
    }
  }

  private matchRoute(exchange: Exchange): PhaseResult {
    const { matcher } = defined(exchange.epoch, 'the epoch of an exchange');
    return this.give(exchange, matcher.match(exchange));
  }

  private enter(exchange: Exchange): PhaseResult {
    const { entrySteps, watchesUploads } = routeOf(exchange).filters;
    const result = this.runSteps(exchange, entrySteps);
    if (watchesUploads && result === 'next') this.parts.filters.watchUpload(exchange);
    return result;
  }

  private runSteps(exchange: Exchange, steps: readonly EditStep[]): PhaseResult {
    if (steps.length === 0) return 'next';
    return this.give(exchange, this.parts.filters.run(exchange, steps));
  }

  /** Ends the exchange with a reply of the gateway's own, if there is one. */
  private give(exchange: Exchange, reply: LocalReply | null): PhaseResult {
    if (reply === null) return 'next';
    const { limitFields } = exchange.admission;
    const { fields } = reply;
    const whole =
      limitFields === NO_FIELDS ? reply : { ...reply, fields: joinFields(limitFields, fields) };
    this.answer(exchange, whole);
    return 'over';
  }

  /** Whatever else was under way for the exchange, the client gets this reply and no other. */
  private answer(exchange: Exchange, reply: LocalReply): void {
    exchange.phase = PHASE_REPLY;
    this.parts.replies.sendLocal(exchange, reply);
    if (exchange.isFinished) return;
    // A stage keeps it.
    exchange.upload.endWatch();
    this.parts.coordinator.abandon(exchange);
    this.parts.tries.release(exchange);
    this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + LOCAL_REPLY_WAIT_MS);
  }

  private authenticate(exchange: Exchange): PhaseResult {
    const outcome = this.authentication.run(exchange);
    if (outcome === 'next') return 'next';
    if (outcome !== 'wait') return this.give(exchange, outcome);
    this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + AUTHENTICATION_WAIT_MS);
    return 'wait';
  }

  /** An authenticator that had to wait knows who calls, or that nobody does. */
  private onAuthenticated(exchange: Exchange, outcome: AuthenticationOutcome): void {
    // It has taken too long, and the client gets another answer.
    if (exchange.phase !== PHASE_AUTHENTICATE) return;
    this.parts.wheel.clear(exchange.deadline);
    if (outcome === 'next') {
      exchange.phase++;
      this.advance(exchange);
    } else {
      this.give(exchange, outcome);
    }
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
      this.refuse(
        exchange,
        PROBLEMS.internal,
        'The request failed because of an error in the gateway.',
      );
    }
  }

  private admit(exchange: Exchange): PhaseResult {
    const route = routeOf(exchange);
    const { answer } = route;
    if (answer.kind === 'fixed') return this.runSteps(exchange, [answer.step]);
    // The token service answers by itself: there is no target to be admitted to.
    if (answer.kind === 'tokens') return 'next';
    const nowMs = this.parts.nowMs();
    if (!this.parts.gate.tryEnter(exchange, route, nowMs)) return this.shed(exchange);
    const asked = this.parts.coordinator.askAdmission(exchange, route, nowMs);
    if (asked === ASK_ADMITTED) {
      this.parts.ledger.countGranted(exchange, nowMs);
      return 'next';
    }
    if (asked === ASK_OPEN) {
      this.parts.ledger.countOpen();
      return 'next';
    }
    if (asked === ASK_LIMITED) {
      this.parts.ledger.countRefusedAgain(exchange, nowMs);
      return this.refuseFor(exchange, VERDICT_RATE_LIMITED, this.parts.coordinator.retryAfterMs);
    }
    if (asked === ASK_CLOSED) return this.refuseLost(exchange);
    if (asked !== ASK_PENDING) return this.shed(exchange);
    this.parts.ledger.countAsk(exchange, nowMs);
    this.parts.wheel.set(exchange.deadline, nowMs + ASK_WAIT_MS);
    this.parts.touch();
    return 'wait';
  }

  /** The coordinator has answered the exchange's ask. */
  onVerdict(exchange: Exchange, reply: ReplyView): void {
    exchange.trace?.onVerdict(this.parts.nowMs(), reply.verdict);
    if (exchange.phase === PHASE_REPLY) {
      this.guard(exchange, () => this.parts.tries.onVerdict(exchange, reply));
      return;
    }
    this.parts.wheel.clear(exchange.deadline);
    if (reply.verdict === VERDICT_ADMITTED) {
      exchange.phase++;
      this.advance(exchange);
      return;
    }
    this.refuseFor(exchange, reply.verdict, reply.retryAfterMs);
  }

  private refuseFor(exchange: Exchange, verdict: number, retryAfterMs: number): PhaseResult {
    const problem = problemOfVerdict(verdict);
    return this.refuse(exchange, problem, detailOfVerdict(verdict), retryAfterField(retryAfterMs));
  }

  private forward(exchange: Exchange): PhaseResult {
    const { answer } = routeOf(exchange);
    if (answer.kind === 'tokens') return this.serveTokens(exchange, answer.endpoint);
    const reply = this.parts.filters.runBody(exchange);
    if (reply !== null && reply !== 'wait') return this.give(exchange, reply);
    if (reply === 'wait' || !exchange.upload.isReady) {
      return this.waitForBody(exchange);
    }
    exchange.phase = PHASE_REPLY;
    this.parts.tries.begin(exchange);
    return 'wait';
  }

  private serveTokens(exchange: Exchange, endpoint: CompiledTokenEndpoint): PhaseResult {
    const reply = defined(this.parts.tokens, 'the token service').serve(exchange, endpoint);
    if (reply === 'wait') return this.waitForBody(exchange);
    if (!(reply instanceof Promise)) return this.give(exchange, reply);
    this.parts.wheel.clear(exchange.deadline);
    const onReply = (final: LocalReply): void => {
      if (!exchange.isFinished && !exchange.reply.isLocal) this.give(exchange, final);
    };
    reply.then(onReply).catch((error: unknown) => this.breakOff(exchange, error));
    return 'wait';
  }

  /** For the whole body: more of it gives no more time. */
  private waitForBody(exchange: Exchange): PhaseResult {
    if (!this.parts.wheel.isSet(exchange.deadline)) {
      this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + SMALL_BODY_WAIT_MS);
    }
    return 'wait';
  }

  /** More of the request body came in. The bytes are valid inside the call only. */
  onRequestBody(exchange: Exchange, bytes: Uint8Array, isLast: boolean): void {
    exchange.upload.take(bytes, isLast, this.parts.nowMs());
    const refused = this.parts.filters.judgeUpload(exchange, isLast);
    if (refused !== null && !exchange.reply.isLocal) {
      this.refuse(exchange, refused.kind, refused.detail);
    } else if (exchange.phase === PHASE_FORWARD) {
      if (isLast || routeOf(exchange).readsBody) this.advance(exchange);
    } else if (isLast && exchange.phase === PHASE_REPLY) {
      this.parts.tries.onRequestComplete(exchange);
    }
  }

  /** The body is slower than its route allows. */
  onSlowUpload(exchange: Exchange): void {
    if (exchange.isFinished) return;
    this.refuse(exchange, PROBLEMS.requestTimeout, 'The request body comes too slowly.');
  }

  /** All of the reply is on its way to the client. */
  onDelivered(exchange: Exchange): void {
    this.finish(exchange);
  }

  /** The reply does not come to its end, and its target is not to blame. */
  onReplyStuck(exchange: Exchange): void {
    if (exchange.reply.isStarted) this.cut(exchange, null);
    else this.refuse(exchange, PROBLEMS.internal, 'The reply was not ready in time.');
  }

  /** The client is to see that its reply is not complete. */
  private cut(exchange: Exchange, problem: ProblemKind | null): void {
    this.parts.replies.cut(exchange, problem);
    this.parts.ledger.countCut(exchange);
    this.finish(exchange);
  }

  /** The last try has failed, and there is no reply to give, or only a part of one. */
  onTriesFailed(exchange: Exchange, problem: ProblemKind): void {
    if (exchange.reply.isStarted) {
      this.cut(exchange, null);
      return;
    }
    const detail = isConnectFailure(problem)
      ? 'The target cannot be reached.'
      : 'The target did not answer as it should.';
    this.refuse(exchange, problem, detail);
  }

  private deadlinePassed(exchange: Exchange, nowMs: number): void {
    if (exchange.isFinished) return;
    if (exchange.phase === PHASE_ADMIT) {
      this.parts.coordinator.abandon(exchange);
      this.parts.ledger.countAskTimeout();
      this.goOnWithoutCoordinator(exchange);
    } else if (exchange.phase === PHASE_AUTHENTICATE) {
      const detail = 'Nobody could tell in time who calls.';
      this.refuse(exchange, PROBLEMS.authenticationUnavailable, detail, RETRY_SOON);
    } else if (exchange.phase === PHASE_FORWARD) {
      this.refuse(exchange, PROBLEMS.requestTimeout, 'The request body did not come in time.');
    } else if (exchange.phase === PHASE_REPLY) {
      if (exchange.reply.isLocal) this.parts.replies.onStuck(exchange);
      else this.guard(exchange, () => this.parts.tries.onDeadline(exchange, nowMs));
    }
  }

  /**
   * No decision came in time: the route says what becomes of the request. Without a limit there is
   * nothing that too many could get: it goes on.
   */
  private goOnWithoutCoordinator(exchange: Exchange): void {
    const { route } = exchange;
    const mayGoOn = route?.config.onCoordinatorLost === 'open' || route?.limiters.length === 0;
    const isOpen =
      mayGoOn && route !== null && this.parts.coordinator.admitOpen(exchange, route) === ASK_OPEN;
    if (!isOpen) {
      this.refuseLost(exchange);
      return;
    }
    this.parts.ledger.countOpen();
    exchange.phase++;
    this.advance(exchange);
  }

  private shed(exchange: Exchange): PhaseResult {
    const detail = 'Too many requests are in flight.';
    return this.refuse(exchange, PROBLEMS.overloaded, detail, RETRY_SOON);
  }

  private refuseLost(exchange: Exchange): PhaseResult {
    return this.refuse(exchange, PROBLEMS.coordinatorLost, 'No decision came in time.', RETRY_SOON);
  }

  /** A filter threw while a reply passed it. */
  onFilterBroken(exchange: Exchange, error: unknown): void {
    this.parts.ledger.countFilterError();
    this.breakOff(exchange, error);
  }

  refuse(
    exchange: Exchange,
    problem: ProblemKind,
    detail: string,
    extraFields = NO_FIELDS,
  ): PhaseResult {
    if (exchange.reply.isStarted) {
      this.cut(exchange, problem);
    } else {
      const fields = joinFields(exchange.admission.limitFields, extraFields);
      this.answer(exchange, refusal(problem, detail, { fields }));
    }
    return 'over';
  }

  /** Every exit passes here; the second time does nothing. */
  private finish(exchange: Exchange): void {
    if (exchange.isFinished) return;
    exchange.isFinished = true;
    this.parts.wheel.clear(exchange.deadline);
    exchange.upload.endWatch();
    this.parts.coordinator.abandon(exchange);
    this.parts.tries.release(exchange);
    this.parts.replies.release(exchange);
    this.parts.coordinator.endInFlight(exchange);
    const { route } = exchange;
    if (route !== null && route.upstream !== null) {
      this.parts.coordinator.giveBack(exchange, route.upstream.index);
    }
    this.exchanges.remove(exchange);
    if (exchange.epoch !== null) exchange.epoch.exchanges--;
    const nowMs = this.parts.nowMs();
    this.parts.gate.leave(exchange, nowMs);
    this.parts.ledger.close(exchange, nowMs);
    this.parts.touch();
  }
}
