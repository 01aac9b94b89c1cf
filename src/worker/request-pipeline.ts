/**
 * The life of a request in a worker, phase by phase.
 *
 * Thread: worker. Owns the exchanges that have begun and not finished. A phase lets a request go
 * on, makes it wait, or ends it with a reply. In the last phases the answerer of the route acts, by
 * having targets tried or by itself (answer/). Every exit passes finish(), once, which gives back
 * what is left, counts, and writes the access record. exchange/phase.ts has the phases in order.
 */
import { assertNever, defined } from '../base/assert.js';
import { type FieldBlock, NO_FIELDS } from '../base/field-block.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import type { ReplyView } from '../channel/coordinator/coordinator-records.js';
import { FLAG_ANSWERED, FLAG_CUT } from '../channel/records/record-kind.js';
import { type LocalReply, refusal } from '../filters/local-reply.js';
import { AdmissionPhase } from './admission/admission-phase.js';
import type { Answerer } from './answer/answerer.js';
import { type Answerers, createAnswerers } from './answer/answerers.js';
import { Exchange, type RequestRecord, routeOf } from './exchange/exchange.js';
import { ExchangeTable } from './exchange/exchange-table.js';
import {
  PHASE_ANSWER,
  PHASE_EDIT,
  PHASE_ENTER,
  PHASE_FIRST_LIMIT,
  PHASE_IDENTIFY,
  PHASE_LIMIT,
  PHASE_REPLY,
  PHASE_ROUTE,
  phaseAfter,
} from './exchange/phase.js';
import {
  AUTHENTICATION_WAIT_MS,
  type AuthenticationOutcome,
  AuthenticationPhase,
} from './identity/authentication-phase.js';
import { collectJudgedBody, identifiedTooLate, wantsPieces } from './identity/judged-body.js';
import type { PipelineParts } from './pipeline-parts.js';
import { judgeCallBody } from './request/grpc-entry.js';
import { editRequest, enterRequest } from './request-steps.js';
import { retryAfterField } from './route/rate-limit-fields.js';
import type { WorkerRoute } from './route/worker-route.js';
import { keepRequestBody } from './telemetry/logged-bodies.js';
import { trailersForTarget } from './upstream/forwarded-trailers.js';
import { failureDetail } from './upstream/upstream-error.js';

/** How long a body that is collected before it is sent may take. */
const SMALL_BODY_WAIT_MS = 60_000;
/** How long a stage may keep a reply of the gateway's own. */
const LOCAL_REPLY_WAIT_MS = 60_000;

/** What a phase comes to; a reply ends the exchange. */
type PhaseResult = 'next' | 'wait' | LocalReply;

const NO_BYTES = new Uint8Array(0);

export class RequestPipeline {
  private readonly exchanges = new ExchangeTable();
  private readonly authentication: AuthenticationPhase;
  private readonly admission: AdmissionPhase;
  private readonly answerers: Answerers;
  private readonly onDeadline = (exchange: Exchange, nowMs: number): void =>
    this.deadlinePassed(exchange, nowMs);

  constructor(private readonly parts: PipelineParts) {
    this.authentication = new AuthenticationPhase(
      parts.unixMs,
      (exchange, outcome) => this.onIdentified(exchange, outcome),
      (exchange, error) => this.breakOff(exchange, error),
    );
    this.admission = new AdmissionPhase(parts);
    this.answerers = createAnswerers(parts, {
      onReply: (exchange, reply) => this.end(exchange, reply),
      beginAside: (exchange, copyFor) => this.beginAside(exchange, copyFor),
      onStuck: (exchange) => parts.replies.onStuck(exchange),
      onBroken: (exchange, error) => this.breakOff(exchange, error),
    });
  }

  /** Exchanges that have begun and not finished. */
  get inFlight(): number {
    return this.exchanges.count;
  }

  /** The exchange of a record, or undefined when it has finished. */
  find(index: number, generation: number): Exchange | undefined {
    return this.exchanges.find(index, generation);
  }

  onRequest(record: RequestRecord): Exchange {
    const epoch = this.parts.epochs.next();
    const head = epoch.matcher.readHead(record, this.parts.requestIds);
    const exchange = new Exchange(record, head, epoch, this.onDeadline);
    this.exchanges.add(exchange);
    epoch.exchanges++;
    this.parts.ledger.begin(exchange);
    this.advance(exchange);
    return exchange;
  }

  /** It is in the last phase, and in no table: no record of the lane is for it. */
  private beginAside(exchange: Exchange, copyFor?: WorkerRoute): Exchange {
    const nowMs = this.parts.nowMs();
    const aside =
      copyFor === undefined
        ? exchange.behind(nowMs, this.onDeadline)
        : exchange.copied(copyFor, nowMs, this.onDeadline);
    aside.phase = PHASE_REPLY;
    if (aside.epoch !== null) aside.epoch.exchanges++;
    return aside;
  }

  /** Takes the exchange through its phases until one waits or ends it. */
  private advance(exchange: Exchange): void {
    try {
      for (;;) {
        const result = this.runPhase(exchange);
        if (result === 'wait') return;
        if (result !== 'next') {
          this.end(exchange, result);
          return;
        }
        // A target that is tried may have failed already.
        if (exchange.isFinished) return;
        exchange.phase = phaseAfter(exchange.phase);
      }
    } catch (error) {
      // No request goes on unchecked because a check broke.
      this.breakOff(exchange, error);
    }
  }

  // Hot path (bench/gateway/full-pipeline): every phase of every request.
  private runPhase(exchange: Exchange): PhaseResult {
    switch (exchange.phase) {
      case PHASE_ROUTE:
        return this.matchRoute(exchange);
      case PHASE_ENTER:
        return enterRequest(this.parts, exchange);
      case PHASE_FIRST_LIMIT:
        return this.admission.runFirst(exchange);
      case PHASE_IDENTIFY:
        return this.identify(exchange);
      case PHASE_LIMIT:
        return this.admission.run(exchange);
      case PHASE_EDIT:
        return editRequest(this.parts, exchange);
      case PHASE_ANSWER:
        return this.answer(exchange);
      case PHASE_REPLY:
        return 'wait';
      default:
        return assertNever(exchange.phase);
    }
  }

  private matchRoute(exchange: Exchange): PhaseResult {
    const { matcher } = defined(exchange.epoch, 'the epoch of an exchange');
    return matcher.match(exchange) ?? 'next';
  }

  /** Plugins that were waited for have come to their end. */
  onPluginsDone(exchange: Exchange, reply: LocalReply | null): void {
    if (exchange.phase === PHASE_EDIT) this.resume(exchange, reply ?? 'next');
  }

  private identify(exchange: Exchange): PhaseResult {
    const collected = collectJudgedBody(exchange, this.parts);
    if (collected !== 'next') return collected;
    const result = this.authentication.run(exchange);
    if (result === 'wait') {
      this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + AUTHENTICATION_WAIT_MS);
    }
    return result;
  }

  /** An authenticator that had to wait knows who calls, or that nobody does. */
  private onIdentified(exchange: Exchange, outcome: AuthenticationOutcome): void {
    // If it has taken too long, the client gets another answer already.
    if (exchange.phase === PHASE_IDENTIFY) this.resume(exchange, outcome);
  }

  private answer(exchange: Exchange): PhaseResult {
    const result = this.answererOf(exchange).answer(exchange);
    if (result === 'begun') return 'next';
    if (result === 'wait') this.parts.forwarder.wantCollected(exchange);
    // More of the body gives no more time.
    if (result === 'wait' && !this.parts.wheel.isSet(exchange.deadline)) {
      this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + SMALL_BODY_WAIT_MS);
    }
    return result;
  }

  private answererOf(exchange: Exchange): Answerer {
    return this.answerers[routeOf(exchange).answer.kind];
  }

  /** A phase that waited has come to this. */
  private resume(exchange: Exchange, result: 'next' | LocalReply): void {
    this.parts.wheel.clear(exchange.deadline);
    if (result === 'next') {
      exchange.phase = phaseAfter(exchange.phase);
      this.advance(exchange);
    } else {
      this.end(exchange, result);
    }
  }

  /** The coordinator has answered the exchange's ask. */
  onVerdict(exchange: Exchange, reply: ReplyView): void {
    exchange.trace?.onVerdict(this.parts.nowMs(), reply.verdict);
    if (exchange.phase === PHASE_REPLY) {
      this.guard(exchange, () => this.answererOf(exchange).onVerdict(exchange, reply));
    } else {
      this.resume(exchange, this.admission.onVerdict(reply));
    }
  }

  /** More of the request body came in. The bytes are valid inside the call only. */
  onRequestBody(exchange: Exchange, bytes: Uint8Array, isLast: boolean): void {
    const tooMuch = exchange.grpc === null ? null : judgeCallBody(exchange, exchange.grpc, bytes);
    if (tooMuch !== null) {
      this.refuse(exchange, tooMuch.kind, tooMuch.detail);
      return;
    }
    exchange.upload.take(bytes, isLast, this.parts.nowMs());
    const refused = this.parts.filters.judgeUpload(exchange, isLast);
    if (refused !== null && !exchange.reply.isLocal) {
      this.refuse(exchange, refused.kind, refused.detail);
    } else if (exchange.phase === PHASE_ANSWER || exchange.upload.isAwaited) {
      if (isLast || wantsPieces(exchange)) this.advance(exchange);
    } else if (isLast && exchange.phase === PHASE_REPLY) {
      this.answererOf(exchange).onRequestComplete(exchange);
    }
  }

  /** The body is complete, and these fields follow it. */
  onRequestTrailers(exchange: Exchange, fields: FieldBlock): void {
    exchange.upload.onTrailers(trailersForTarget(exchange, fields));
    this.onRequestBody(exchange, NO_BYTES, true);
  }

  /** Bytes that go up a tunnel. They are valid inside the call only. */
  onTunnelBytes(exchange: Exchange, bytes: Uint8Array): void {
    this.guard(exchange, () => exchange.tunnel?.onUp(bytes));
  }

  /** Nothing more goes up the tunnel. */
  onTunnelEnd(exchange: Exchange): void {
    this.guard(exchange, () => exchange.tunnel?.onUpEnd());
  }

  /**
   * A target has begun what may go on for ever. How long that takes says nothing of how loaded the
   * target is: limits that adapt to that count it no more.
   */
  onStream(exchange: Exchange): void {
    this.admission.onStream(exchange, this.parts.nowMs());
  }

  onTunnel(exchange: Exchange): void {
    this.onStream(exchange);
    this.parts.ledger.openTunnel(exchange, this.parts.nowMs());
  }

  /** These sessions of the token service have ended. */
  onRevoked(sessionIds: ReadonlySet<string>): void {
    this.exchanges.forEach((exchange) => {
      this.guard(exchange, () => exchange.tunnel?.onRevoked(sessionIds));
    });
  }

  /** Ends all tunnels with a Close of this code. */
  closeTunnels(code: number, reason: string): void {
    this.exchanges.forEach((exchange) => {
      this.guard(exchange, () => exchange.tunnel?.endWith(code, reason));
    });
  }

  /** A body that filters have to see has been decoded; or the client gets `refused`. */
  onDecoded(exchange: Exchange, refused: LocalReply | null): void {
    if (exchange.isFinished || exchange.phase !== PHASE_ANSWER) return;
    if (refused === null) this.advance(exchange);
    else this.end(exchange, refused);
  }

  /** The body is slower than its route allows. */
  onSlowUpload(exchange: Exchange): void {
    if (exchange.isFinished) return;
    this.refuse(exchange, PROBLEMS.requestTimeout, 'The request body comes too slowly.');
  }

  private deadlinePassed(exchange: Exchange, nowMs: number): void {
    if (exchange.isFinished) return;
    const { phase } = exchange;
    switch (phase) {
      case PHASE_IDENTIFY:
        this.end(exchange, identifiedTooLate(exchange));
        return;
      case PHASE_FIRST_LIMIT:
      case PHASE_LIMIT:
        this.resume(exchange, this.admission.onDeadline(exchange));
        return;
      case PHASE_ANSWER:
        this.refuse(exchange, PROBLEMS.requestTimeout, 'The request body did not come in time.');
        return;
      case PHASE_REPLY:
        if (exchange.reply.isLocal) this.parts.replies.onStuck(exchange);
        else this.guard(exchange, () => this.answererOf(exchange).onDeadline(exchange, nowMs));
        return;
      case PHASE_ROUTE:
      case PHASE_ENTER:
        this.resume(exchange, this.parts.faults.onDelayed(exchange));
        return;
      case PHASE_EDIT:
        // Nothing waits there.
        return;
      default:
        assertNever(phase);
    }
  }

  /**
   * The client is gone, or the acceptor had its end: the worker drops everything about the
   * exchange.
   */
  onRequestAbort(exchange: Exchange, flags: number): void {
    const { reply } = exchange;
    if ((flags & FLAG_ANSWERED) !== 0) {
      reply.onAnsweredElsewhere();
    } else if ((flags & FLAG_CUT) !== 0) {
      this.parts.ledger.countCut();
      reply.onShutdown();
    } else {
      this.parts.ledger.countClientLeft();
      reply.onClientLeft();
    }
    this.finish(exchange);
  }

  /** Every client is gone. */
  abortAll(): void {
    this.exchanges.forEach((exchange) => {
      this.onRequestAbort(exchange, 0);
    });
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

  /** The last try has failed, and there is no reply to give, or only a part of one. */
  onTriesFailed(exchange: Exchange, problem: ProblemKind): void {
    if (exchange.reply.isStarted) {
      this.cut(exchange, exchange.grpc === null ? null : problem);
      return;
    }
    if (this.answererOf(exchange).onFailed(exchange, problem)) return;
    const { lastCause: cause, refusedMs } = exchange.tries;
    const fields = refusedMs === -1 ? NO_FIELDS : retryAfterField(refusedMs);
    this.end(exchange, refusal(problem, failureDetail(problem, cause), { cause, fields }));
  }

  /** The client gets this in place of what a target has said. */
  onTriesReply(exchange: Exchange, reply: LocalReply): void {
    this.end(exchange, reply);
  }

  /** An exchange without a client is over. */
  onAsideDone(exchange: Exchange): void {
    this.finish(exchange);
  }

  /** A filter threw while a reply passed it. */
  onFilterBroken(exchange: Exchange, error: unknown): void {
    this.parts.ledger.countFilterError();
    this.breakOff(exchange, error);
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

  /** Ends the exchange with a problem; a reply that has begun can only be cut. */
  refuse(exchange: Exchange, problem: ProblemKind, detail: string): void {
    if (exchange.reply.isStarted) this.cut(exchange, problem);
    else this.end(exchange, refusal(problem, detail));
  }

  /** The client is to see that its reply is not complete. */
  private cut(exchange: Exchange, problem: ProblemKind | null): void {
    if (exchange.isAside) {
      this.finish(exchange);
      return;
    }
    this.parts.replies.cut(exchange, problem);
    this.parts.ledger.countCut();
    this.finish(exchange);
  }

  /** Whatever else was under way for the exchange, the client gets this reply and no other. */
  private end(exchange: Exchange, reply: LocalReply): void {
    if (exchange.isFinished) return;
    if (exchange.isAside) {
      this.finish(exchange);
      return;
    }
    exchange.phase = PHASE_REPLY;
    this.parts.replies.sendLocal(exchange, reply);
    if (exchange.isFinished) return;
    // A stage keeps it.
    this.release(exchange);
    this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + LOCAL_REPLY_WAIT_MS);
  }

  /** Nothing goes on for the exchange any more, but that its reply may have to go out. */
  private release(exchange: Exchange): void {
    const { route } = exchange;
    if (route !== null) this.answererOf(exchange).release(exchange);
    if (route !== null && route.shownBodies?.request === true) keepRequestBody(exchange);
    exchange.upload.release();
    this.parts.coordinator.abandon(exchange);
  }

  private closeClient(exchange: Exchange, nowMs: number): void {
    this.exchanges.remove(exchange);
    this.parts.ledger.close(exchange, nowMs);
  }

  /** The client has gone, but others get what is being fetched for it: that goes on without it. */
  private tryGoOnAside(exchange: Exchange): boolean {
    const { followers } = this.parts.cache.cache;
    const isFetching = exchange.caching !== null && exchange.tries.current !== null;
    if (!isFetching || exchange.isAside || !followers.isWanted(exchange)) return false;
    const nowMs = this.parts.nowMs();
    this.closeClient(exchange, nowMs);
    this.admission.end(exchange, nowMs);
    this.parts.replies.goOnAside(exchange);
    exchange.isAside = true;
    followers.leaveClient(exchange);
    return true;
  }

  /** Every exit passes here; the second time does nothing. */
  private finish(exchange: Exchange): void {
    if (exchange.isFinished || this.tryGoOnAside(exchange)) return;
    exchange.isFinished = true;
    if (exchange.mirror !== null) this.parts.mirrors.end(exchange);
    this.parts.wheel.clear(exchange.deadline);
    this.release(exchange);
    this.parts.replies.release(exchange);
    const nowMs = this.parts.nowMs();
    this.admission.end(exchange, nowMs);
    this.parts.plugins.onFinish(exchange, nowMs);
    if (exchange.epoch !== null) exchange.epoch.exchanges--;
    if (exchange.isAside) this.parts.ledger.closeAside(exchange);
    else this.closeClient(exchange, nowMs);
    this.parts.onFinished();
  }
}
