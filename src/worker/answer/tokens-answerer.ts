/**
 * Has the token service answer, which lives on the main thread.
 *
 * Thread: worker. Owns the wait of an exchange for the service: it ends by a deadline. A token that
 * was made and comes too late is lost: the client asks again, as it must after any 503.
 */
import { assert, defined } from '../../base/assert.js';
import { RETRY_SOON } from '../../base/problem-reply.js';
import { PROBLEMS } from '../../base/problems.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { Answerer, type AnswerResult, type AnswerSink } from './answerer.js';
import type { TokenEndpoints } from './token-endpoints.js';

/** How long a request waits for the token service, which signs in milliseconds. */
export const TOKEN_WAIT_MS = 10_000;

export interface TokensAnswererParts {
  /** null: there is no token service, and no route that needs one. */
  readonly tokens: TokenEndpoints | null;
  readonly wheel: Pick<DeadlineWheel, 'set'>;
  nowMs(): number;
}

export class TokensAnswerer extends Answerer {
  private readonly onReply = (exchange: Exchange, reply: LocalReply): void =>
    this.sink.onReply(exchange, reply);

  constructor(
    private readonly parts: TokensAnswererParts,
    private readonly sink: AnswerSink,
  ) {
    super();
  }

  override answer(exchange: Exchange): AnswerResult {
    const { answer } = routeOf(exchange);
    assert(answer.kind === 'tokens', 'the route belongs to the token service');
    const tokens = defined(this.parts.tokens, 'the token service');
    const result = tokens.serve(exchange, answer.endpoint, this.onReply);
    if (result === 'begun') {
      this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + TOKEN_WAIT_MS);
    }
    return result;
  }

  override onDeadline(exchange: Exchange): void {
    const detail = 'The token service did not answer in time.';
    this.sink.onReply(
      exchange,
      refusal(PROBLEMS.tokenServiceUnavailable, detail, { fields: RETRY_SOON }),
    );
  }

  override release(exchange: Exchange): void {
    this.parts.tokens?.abandon(exchange);
  }
}
