/**
 * Runs the compiled steps of filters, and counts their results.
 *
 * Thread: worker. An error of a step is counted and thrown on: the pipeline ends the request.
 */

import type { Coding } from '../../base/content-codings.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { CollectedBody } from '../../filters/collected-body.js';
import { codingOf, decodeBody } from '../../filters/content-codings.js';
import type { EditStep, RequestBodySteps, StepResult } from '../../filters/filter.js';
import { bodyTooLarge } from '../../filters/guards/upload-rule.js';
import type { JsonLimits } from '../../filters/json-scan.js';
import { refusal } from '../../filters/local-reply.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { bytesMaxOf, partsFor } from '../route/route-filters.js';
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
    /** Plugins that see whole bodies, behind the filters that do. */
    private readonly bodies: { run(exchange: Exchange): StepResult | 'wait' },
    /** A body that was waited for has been decoded; or the client gets the reply. */
    private readonly onDecoded: (exchange: Exchange, refused: StepResult) => void,
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
    return this.filterBody(exchange) ?? this.bodies.run(exchange);
  }

  private filterBody(exchange: Exchange): StepResult | 'wait' {
    const plan = routeOf(exchange).filters.requestBody;
    const { upload } = exchange;
    if (plan === null || (upload.bodyBytes === 0 && !plan.takesEmpty)) return null;
    if (upload.isFiltered) return null;
    const parts = partsFor(plan, exchange);
    if (parts.length === 0) return null;
    const maxBytes = bytesMaxOf(parts);
    if (upload.bytesAtLeast > maxBytes) return tooLarge(maxBytes);
    const isRead = parts.some(({ keepsCoding }) => keepsCoding !== true);
    const coding = isRead ? codingOf(exchange.fields.values('content-encoding')) : null;
    if (coding === 'unknown') return this.watch(() => UNKNOWN_CODING);
    if (!upload.isComplete) {
      this.forwarder.creditCollected(exchange);
      return 'wait';
    }
    if (coding !== null) {
      this.decode(exchange, maxBytes, coding);
      return 'wait';
    }
    return this.watch(() => filterBody(exchange, parts, plan.limits));
  }

  /** Filters see what the target gets: the body without its coding. */
  private decode(exchange: Exchange, maxBytes: number, coding: Coding): void {
    const { upload, head } = exchange;
    if (upload.isDecoding) return;
    upload.onDecoding();
    decodeBody(coding, upload.collected(), maxBytes, (problem, decoded) => {
      if (exchange.isFinished) return;
      if (problem === null) {
        upload.onDecoded(decoded);
        head.fields.dropCoding();
        this.onDecoded(exchange, null);
      } else {
        this.ledger.countFilterReply();
        this.onDecoded(exchange, problem === 'broken' ? BROKEN_CODING : DECODED_TOO_LARGE);
      }
    });
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

const UNKNOWN_CODING = refusal(
  PROBLEMS.unsupportedMediaType,
  'The gateway looks into bodies of this route, and cannot read this Content-Encoding.',
);
const BROKEN_CODING = refusal(
  PROBLEMS.validationFailed,
  'The body is not what its Content-Encoding says.',
);
const DECODED_TOO_LARGE = refusal(
  PROBLEMS.bodyTooLarge,
  'The body is too long once it is decoded, or grows too much by that.',
);

function filterBody(
  exchange: Exchange,
  parts: readonly RequestBodySteps[],
  limits: JsonLimits,
): StepResult {
  const body = new CollectedBody(exchange.upload.collected(), limits, true);
  for (const { step } of parts) {
    const reply = step(body, exchange);
    if (reply !== null) return reply;
  }
  exchange.upload.replace(body.bytes());
  return null;
}

function tooLarge(maxBytes: number): StepResult {
  return refusal(PROBLEMS.bodyTooLarge, `This route takes bodies of up to ${maxBytes} bytes.`);
}
