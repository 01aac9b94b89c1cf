/**
 * Has a login serve its own paths: the way back from the provider, and logouts.
 *
 * Thread: worker. Owns the wait of an exchange for the main thread, which asks the provider: it
 * ends by a deadline.
 */
import { assert } from '../../base/assert.js';
import { RETRY_SOON } from '../../base/problem-reply.js';
import { PROBLEMS } from '../../base/problems.js';
import { refusal } from '../../filters/local-reply.js';
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { PHASE_REPLY } from '../exchange/phase.js';
import { Answerer, type AnswerResult, type AnswerSink } from './answerer.js';

/** Longer than the provider's own time-outs: a logout token is the longest that anybody sends. */
const LOGIN_WAIT_MS = 70_000;
const LOGIN_BODY_BYTES_MAX = 32 * 1024;

export interface LoginAnswererParts {
  readonly wheel: Pick<DeadlineWheel, 'set'>;
  nowMs(): number;
  unixMs(): number;
}

export class LoginAnswerer extends Answerer {
  constructor(
    private readonly parts: LoginAnswererParts,
    private readonly sink: AnswerSink,
  ) {
    super();
  }

  override answer(exchange: Exchange): AnswerResult {
    const { answer } = routeOf(exchange);
    assert(answer.kind === 'login', 'the route belongs to a login');
    if (exchange.upload.bytesAtLeast > LOGIN_BODY_BYTES_MAX) {
      const detail = `A request to a login has up to ${LOGIN_BODY_BYTES_MAX} bytes.`;
      return refusal(PROBLEMS.bodyTooLarge, detail);
    }
    if (!exchange.upload.isComplete) return 'wait';
    const body = exchange.upload.collected().toString('utf8');
    const result = answer.login.serve(exchange, body, this.parts.unixMs() / 1000);
    if (!(result instanceof Promise)) return result;
    result
      .then((reply) => {
        if (isWaiting(exchange)) this.sink.onReply(exchange, reply);
      })
      .catch((error: unknown) => this.sink.onBroken(exchange, error));
    this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + LOGIN_WAIT_MS);
    return 'begun';
  }

  override onDeadline(exchange: Exchange): void {
    const detail = 'The provider of the login did not answer in time.';
    this.sink.onReply(
      exchange,
      refusal(PROBLEMS.authenticationUnavailable, detail, { fields: RETRY_SOON }),
    );
  }
}

/** Whether nobody has answered it in the meantime. */
function isWaiting({ isFinished, phase, reply }: Exchange): boolean {
  return !isFinished && phase === PHASE_REPLY && !reply.isLocal && !reply.isStarted;
}
