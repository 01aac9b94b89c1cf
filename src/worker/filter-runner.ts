/**
 * Runs the steps that filters were compiled into, and counts what becomes of it.
 *
 * Thread: worker. A step that throws is counted and thrown on: the pipeline ends the request.
 */
import { PROBLEMS } from '../base/gateway-error.js';
import { CollectedBody } from '../filters/collected-body.js';
import type { EditStep, StepResult } from '../filters/filter.js';
import { refusal } from '../filters/local-reply.js';
import { type Exchange, routeOf } from './exchange.js';
import type { ExchangeLedger } from './exchange-ledger.js';
import type { RequestBodyPlan } from './route-filters.js';
import type { Forwarder } from './upstream/forwarder.js';

export class FilterRunner {
  constructor(
    private readonly ledger: ExchangeLedger,
    private readonly forwarder: Forwarder,
  ) {}

  /** The reply of the first step that has one; null: the request goes on. */
  run(exchange: Exchange, steps: readonly EditStep[]): StepResult {
    return this.watch(() => {
      for (const step of steps) {
        const reply = step(exchange);
        if (reply !== null) return reply;
      }
      return null;
    });
  }

  /** Collects the body and hands it to its steps, once. */
  runBody(exchange: Exchange): StepResult | 'wait' {
    const plan = routeOf(exchange).filters.requestBody;
    if (plan === null || exchange.isBodyFiltered) return null;
    const bytes = Math.max(exchange.bodyBytes, exchange.bodyReceived);
    if (bytes > plan.maxBytes) return tooLarge(plan.maxBytes);
    if (!exchange.isRequestComplete) {
      this.forwarder.creditCollected(exchange);
      return 'wait';
    }
    return this.watch(() => filterBody(exchange, plan));
  }

  private watch(step: () => StepResult): StepResult {
    try {
      const reply = step();
      if (reply !== null) this.ledger.countFilterReply();
      return reply;
    } catch (error) {
      this.ledger.countFilterError();
      throw error;
    }
  }
}

function filterBody(exchange: Exchange, plan: RequestBodyPlan): StepResult {
  const body = new CollectedBody(Buffer.concat(exchange.bodyChunks), plan.limits);
  for (const step of plan.steps) {
    const reply = step(body, exchange);
    if (reply !== null) return reply;
  }
  const bytes = body.bytes();
  exchange.bodyChunks = bytes.length === 0 ? [] : [bytes];
  exchange.bodyBytes = bytes.length;
  exchange.isBodyFiltered = true;
  return null;
}

function tooLarge(maxBytes: number): StepResult {
  return refusal(PROBLEMS.bodyTooLarge, `This route takes bodies of up to ${maxBytes} bytes.`);
}
