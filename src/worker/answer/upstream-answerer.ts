/**
 * Has a target answer: hands the request to the retry loop once it can be sent.
 *
 * Thread: worker. The exchange is admitted to its first target. What the target sends goes to the
 * client by the retry loop, which tells the pipeline of the end.
 */
import type { ReplyView } from '../../channel/coordinator/coordinator-records.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { Mirrors } from '../mirror/mirrors.js';
import type { FilterRunner } from '../request/filter-runner.js';
import type { RetryLoop } from '../tries/retry-loop.js';
import { Answerer, type AnswerResult, type AnswerSink } from './answerer.js';

export class UpstreamAnswerer extends Answerer {
  constructor(
    private readonly filters: Pick<FilterRunner, 'runBody'>,
    private readonly tries: Pick<
      RetryLoop,
      'begin' | 'onRequestComplete' | 'onVerdict' | 'onDeadline' | 'release'
    >,
    private readonly mirrors: Pick<Mirrors, 'begin'>,
    private readonly sink: AnswerSink,
  ) {
    super();
  }

  override answer(exchange: Exchange): AnswerResult {
    const reply = this.filters.runBody(exchange);
    if (reply !== null) return reply;
    if (!exchange.upload.isReady) return 'wait';
    this.tries.begin(exchange);
    const { mirror } = routeOf(exchange);
    if (mirror !== null) this.mirrors.begin(exchange, mirror, this.sink);
    return 'begun';
  }

  override onRequestComplete(exchange: Exchange): void {
    this.tries.onRequestComplete(exchange);
  }

  override onVerdict(exchange: Exchange, reply: ReplyView): void {
    this.tries.onVerdict(exchange, reply);
  }

  override onDeadline(exchange: Exchange, nowMs: number): void {
    this.tries.onDeadline(exchange, nowMs);
  }

  override release(exchange: Exchange): void {
    this.tries.release(exchange);
  }
}
