/**
 * Answers the requests of the routes of one kind: see answer-plan.ts for the kinds.
 *
 * Thread: worker. One object a kind and worker. The pipeline calls it once a request has passed all
 * phases before; it knows nothing of the limits, which were counted already.
 */
import type { ProblemKind } from '../../base/problems.js';
import type { ReplyView } from '../../channel/coordinator/coordinator-records.js';
import type { LocalReply } from '../../filters/local-reply.js';
import type { Exchange } from '../exchange/exchange.js';
import type { WorkerRoute } from '../route/worker-route.js';

/**
 * A reply ends the exchange. `wait`: for more of the body of the request, and no longer than the
 * pipeline allows. `begun`: the answer is under way, and the answerer drives the rest by the sink
 * that it was made with; it has set a deadline.
 */
export type AnswerResult = LocalReply | 'wait' | 'begun';

/** Where an answerer says what has come of an answer that was under way. */
export interface AnswerSink {
  /** The whole reply is there. */
  onReply(exchange: Exchange, reply: LocalReply): void;
  /** The reply does not come to its end, since its client takes nothing of it. */
  onStuck(exchange: Exchange): void;
  /**
   * An exchange without a client, for what this one has asked for; nothing has been done for it. It
   * has to be answered, and what answers it goes nowhere. `copyFor`: it is a copy, whose targets
   * are those of that route.
   */
  beginAside(exchange: Exchange, copyFor?: WorkerRoute): Exchange;
  /** A mistake in what was done outside of the pipeline's calls. */
  onBroken(exchange: Exchange, error: unknown): void;
}

/** A kind overrides what it needs; the rest does nothing. */
export abstract class Answerer {
  /** Called again, after `wait`, whenever more of the body is there. May throw. */
  abstract answer(exchange: Exchange): AnswerResult;

  /** The last of the request body came while the answer was under way. */
  onRequestComplete(_exchange: Exchange): void {}

  /** The coordinator has replied to an ask that the answerer made. */
  onVerdict(_exchange: Exchange, _reply: ReplyView): void {}

  /** The deadline that the answerer has set has passed. */
  onDeadline(_exchange: Exchange, _nowMs: number): void {}

  /**
   * No target gives a reply, for this reason, and none has begun. True: the answerer has another
   * one, which is under way.
   */
  onFailed(_exchange: Exchange, _problem: ProblemKind): boolean {
    return false;
  }

  /** The exchange is over, whatever the reason, and however far it came: nothing stays behind. */
  release(_exchange: Exchange): void {}
}
