/**
 * Has a target answer: hands the request to the retry loop once it can be sent.
 *
 * Thread: worker. The exchange is admitted to its first target. What the target sends goes to the
 * client by the retry loop, which tells the pipeline of the end.
 */
import type { ReplyView } from '../../channel/coordinator/coordinator-records.js';
import type { AdmissionGate } from '../admission/admission-gate.js';
import { OVERLOADED } from '../admission/admission-phase.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { Mirrors } from '../mirror/mirrors.js';
import type { FilterRunner } from '../request/filter-runner.js';
import type { RetryLoop } from '../tries/retry-loop.js';
import { Answerer, type AnswerResult, type AnswerSink } from './answerer.js';

export interface UpstreamAnswererParts {
  readonly filters: Pick<FilterRunner, 'runBody'>;
  readonly gate: Pick<AdmissionGate, 'tryEnter'>;
  readonly tries: Pick<
    RetryLoop,
    'begin' | 'beginUnadmitted' | 'onRequestComplete' | 'onVerdict' | 'onDeadline' | 'release'
  >;
  readonly mirrors: Pick<Mirrors, 'begin'>;
  nowMs(): number;
}

export class UpstreamAnswerer extends Answerer {
  constructor(
    private readonly parts: UpstreamAnswererParts,
    private readonly sink: AnswerSink,
  ) {
    super();
  }

  override answer(exchange: Exchange): AnswerResult {
    const { filters, gate, tries, mirrors, nowMs } = this.parts;
    const reply = filters.runBody(exchange);
    if (reply !== null) return reply;
    if (!exchange.upload.isReady) return 'wait';
    const route = routeOf(exchange);
    if (route.fallback === null) {
      tries.begin(exchange);
    } else {
      // With limits it has entered before, and enters once.
      if (!gate.tryEnter(exchange, route, nowMs())) return OVERLOADED;
      tries.beginUnadmitted(exchange);
    }
    if (route.mirror !== null) mirrors.begin(exchange, route.mirror, this.sink);
    return 'begun';
  }

  override onRequestComplete(exchange: Exchange): void {
    this.parts.tries.onRequestComplete(exchange);
  }

  override onVerdict(exchange: Exchange, reply: ReplyView): void {
    this.parts.tries.onVerdict(exchange, reply);
  }

  override onDeadline(exchange: Exchange, nowMs: number): void {
    this.parts.tries.onDeadline(exchange, nowMs);
  }

  override release(exchange: Exchange): void {
    this.parts.tries.release(exchange);
  }
}
