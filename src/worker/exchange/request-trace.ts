/**
 * The trace of one request that is sampled, from head to finish.
 *
 * Thread: worker. Owned by its exchange. Spans are made of what is known at the end; their ids are
 * chosen earlier, when a target is told about them.
 */

import { randomBytes } from 'node:crypto';
import { isRegisteredMethod } from '../../base/http-method.js';
import { OUTCOME_FAILURE, OUTCOME_MASK } from '../../channel/coordinator/coordinator-records.js';
import { redactQuery } from '../../observability/redact-query.js';
import type {
  FinishedSpan,
  FinishedTrace,
  SpanAttributes,
} from '../../observability/span-exporter.js';
import type { TraceFormat } from '../../observability/trace-format.js';
import { type FoundTrace, TRACE_FORMATS } from '../../observability/trace-formats.js';
import type { WorkerRoute } from '../route/worker-route.js';
import type { ReplyState } from './reply-state.js';
import type { RequestFields } from './request-fields.js';
import type { RequestHead } from './request-head.js';
import type { TriesState } from './tries-state.js';
import type { TryInFlight } from './try-in-flight.js';

/** How a try has ended. */
export interface TryEnded {
  /** As the coordinator is told. */
  readonly outcome: number;
  readonly hostPort: string;
  readonly nowMs: number;
}

/** Spans of one request; a retry loop makes far fewer. */
const CHILDREN_MAX = 64;

/** The parts of an exchange that its spans speak of. */
export interface TracedExchange {
  readonly head: Readonly<RequestHead>;
  readonly route: WorkerRoute | null;
  readonly tries: Readonly<TriesState>;
  readonly reply: Readonly<ReplyState>;
  readonly receivedMs: number;
}

/** By verdict of the coordinator. */
const VERDICT_NAMES = ['none', 'admitted', 'rateLimited', 'circuitOpen', 'noHealthyTarget'];

export class RequestTrace {
  readonly traceId: string;
  private readonly spanId = newSpanId();
  private readonly parentSpanId: string;
  private readonly children: FinishedSpan[] = [];
  /** When the coordinator was asked; 0: it was not. */
  private askedMs = 0;

  private readonly isDebug: boolean;
  /** tracestate goes with the traceparent that the trace goes on from. */
  private readonly keepsState: boolean;

  /** `found`: null when nothing was told, and the trace begins here. */
  constructor(
    found: FoundTrace | null,
    private readonly formats: readonly TraceFormat[],
  ) {
    this.traceId = found?.trace.traceId || randomBytes(16).toString('hex');
    this.parentSpanId = found?.trace.spanId ?? '';
    this.isDebug = found?.trace.isDebug ?? false;
    this.keepsState = found?.format === TRACE_FORMATS.w3c;
  }

  onAsk(nowMs: number): void {
    this.askedMs = nowMs;
  }

  /** The coordinator has answered. */
  onVerdict(nowMs: number, verdict: number): void {
    this.onAdmission(nowMs, { 'sluice.verdict': VERDICT_NAMES[verdict] ?? 'none' });
  }

  /** A grant has made asking unnecessary. */
  onGranted(nowMs: number): void {
    this.onAdmission(nowMs, { 'sluice.verdict': 'admitted', 'sluice.granted': true });
  }

  private onAdmission(nowMs: number, attributes: SpanAttributes): void {
    const beganMs = this.askedMs === 0 ? nowMs : this.askedMs;
    this.askedMs = 0;
    this.add({ name: 'admission', kind: 'internal', beganMs, endedMs: nowMs, attributes });
  }

  /** A target is about to get the request with these fields. The id of the try's span. */
  beginTry(fields: RequestFields): string {
    const spanId = newSpanId();
    const { traceId, isDebug, spanId: parentSpanId } = this;
    for (const format of this.formats) {
      format.write(fields, { traceId, spanId, parentSpanId, isSampled: true, isDebug });
      // What belonged to another traceparent says nothing to anybody.
      if (format === TRACE_FORMATS.w3c && !this.keepsState) fields.replacePlain('tracestate', '');
    }
    return spanId;
  }

  /** `hostPort` is the target's. */
  endTry(
    exchange: TracedExchange,
    attempt: TryInFlight,
    { outcome, hostPort, nowMs }: TryEnded,
  ): void {
    const { spanId, beganMs } = attempt;
    const { method } = exchange.head;
    const { sent, lastProblem } = exchange.tries;
    const isError = (outcome & OUTCOME_MASK) === OUTCOME_FAILURE;
    const colon = hostPort.lastIndexOf(':');
    const attributes = {
      ...methodAttributes(method),
      'server.address': hostPort.slice(0, colon),
      'server.port': Number(hostPort.slice(colon + 1)),
      'http.request.resend_count': Math.max(0, sent - 1),
      ...(isError ? { 'error.type': lastProblem?.code ?? 'upstream' } : {}),
    };
    this.add({
      name: methodName(method),
      kind: 'client',
      spanId,
      beganMs,
      endedMs: nowMs,
      isError,
      attributes,
    });
  }

  /** The whole of it, when the exchange is over. */
  finish(exchange: TracedExchange, nowMs: number, hidden: ReadonlySet<string>): FinishedTrace {
    const { head, route, receivedMs } = exchange;
    const { method } = head;
    const { status, problem, isCut } = exchange.reply;
    const pattern = route?.config.path ?? '';
    const shown = redactQuery(head.target, hidden);
    const mark = shown.indexOf('?');
    const attributes = {
      ...methodAttributes(method),
      'url.scheme': head.clientScheme,
      'url.path': mark === -1 ? shown : shown.slice(0, mark),
      ...(mark === -1 ? {} : { 'url.query': shown.slice(mark + 1) }),
      ...(pattern === ''
        ? {}
        : { 'http.route': pattern, 'sluice.route': route?.config.name ?? '' }),
      'http.response.status_code': status,
      'client.address': head.clientIp,
      'sluice.request_id': head.requestId,
      ...(problem === null ? {} : { 'error.type': problem.code, 'sluice.part': problem.part }),
    };
    const request = {
      name: pattern === '' ? methodName(method) : `${methodName(method)} ${pattern}`,
      kind: 'server' as const,
      spanId: this.spanId,
      beganMs: receivedMs,
      endedMs: nowMs,
      isError: status >= 500 || isCut,
      attributes,
    };
    const { traceId, parentSpanId, children } = this;
    return { traceId, parentSpanId, request, children };
  }

  private add(span: Omit<FinishedSpan, 'spanId' | 'isError'> & Partial<FinishedSpan>): void {
    if (this.children.length >= CHILDREN_MAX) return;
    this.children.push({ spanId: newSpanId(), isError: false, ...span });
  }
}

function newSpanId(): string {
  return randomBytes(8).toString('hex');
}

/** Whoever makes methods up does not make figures of them: see OpenTelemetry's `_OTHER`. */
function methodAttributes(method: string): Readonly<Record<string, string>> {
  if (isRegisteredMethod(method)) return { 'http.request.method': method };
  return { 'http.request.method': '_OTHER', 'http.request.method_original': method };
}

/** The method in the name of a span. */
function methodName(method: string): string {
  return isRegisteredMethod(method) ? method : 'HTTP';
}
