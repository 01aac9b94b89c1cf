/**
 * Runs the compiled steps of filters, and counts their results.
 *
 * Thread: worker. An error of a step is counted and thrown on: the pipeline ends the request.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { CollectedBody } from '../../filters/collected-body.js';
import type { EditStep, StepResult } from '../../filters/filter.js';
import { bodyTooLarge } from '../../filters/guards/upload-rule.js';
import { refusal } from '../../filters/local-reply.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { RequestBodyPlan } from '../route/route-filters.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';
import type { Forwarder } from '../upstream/forwarder.js';
import { UploadMonitor, type UploadMonitorDeps } from './upload-monitor.js';

/** Why the rest of a body is refused. */
export interface Refusal {
  readonly kind: ProblemKind;
  readonly detail: string;
}

export class FilterRunner {
  constructor(
    private readonly ledger: ExchangeMetrics,
    private readonly forwarder: Forwarder,
    private readonly uploads: UploadMonitorDeps,
  ) {}

  /** The reply of the first step that gives one; null: the request goes on. */
  run(exchange: Exchange, steps: readonly EditStep[]): StepResult {
    return this.watch(() => {
      for (const step of steps) {
        const reply = step(exchange);
        if (reply !== null) return reply;
      }
      return null;
    });
  }

  /** Collects the body where the route has steps for bodies, and runs these steps, once. */
  runBody(exchange: Exchange): StepResult | 'wait' {
    const plan = routeOf(exchange).filters.requestBody;
    const { upload } = exchange;
    if (plan === null || (upload.bodyBytes === 0 && !plan.takesEmpty)) return null;
    if (upload.isFiltered || !plan.isNeeded(exchange)) return null;
    if (upload.bytesAtLeast > plan.maxBytes) return tooLarge(plan.maxBytes);
    if (!upload.isComplete) {
      this.forwarder.creditCollected(exchange);
      return 'wait';
    }
    return this.watch(() => filterBody(exchange, plan));
  }

  /** Begins to watch the body, where the route bounds how slow it may be. */
  watchUpload(exchange: Exchange): void {
    const { uploadBounds, watchesUploads } = routeOf(exchange).filters;
    if (!watchesUploads || uploadBounds === null || exchange.upload.isComplete) return;
    exchange.upload.watchBy(new UploadMonitor(this.uploads, exchange, uploadBounds));
  }

  /** The refusal of a body that has grown too large for its route; null: it has not. */
  judgeUpload(exchange: Exchange, isLast: boolean): Refusal | null {
    const bounds = exchange.route?.filters.uploadBounds ?? null;
    if (bounds === null) return null;
    if (isLast) exchange.upload.endWatch();
    if (exchange.upload.received <= bounds.bodyBytes) return null;
    return { kind: PROBLEMS.bodyTooLarge, detail: bodyTooLarge(bounds.bodyBytes).detail };
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
  const body = new CollectedBody(exchange.upload.collected(), plan.limits, true);
  for (const step of plan.steps) {
    const reply = step(body, exchange);
    if (reply !== null) return reply;
  }
  exchange.upload.replace(body.bytes());
  return null;
}

function tooLarge(maxBytes: number): StepResult {
  return refusal(PROBLEMS.bodyTooLarge, `This route takes bodies of up to ${maxBytes} bytes.`);
}
