/**
 * Sends spans by OTLP over HTTP, with the OpenTelemetry SDK.
 *
 * Thread: worker. Owns the waiting spans: their number is bounded, and a span that finds no room is
 * dropped. Loaded only where tracing is configured. Sampling and the ids of spans were decided
 * before: targets have received them already.
 */
import type { Context, Tracer } from '@opentelemetry/api';
import {
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import type { FinishedSpan, FinishedTrace, SpanExporter } from './span-exporter.js';

const SAMPLED = 1;
const SEND_EVERY_MS = 1000;
const WAITING_SPANS_MAX = 4096;
const SEND_MS_MAX = 5000;
/** The sender, which tries again, gives up before the batch does: only the sender knows why. */
const TRY_MS_MAX = 4000;
/** A missing receiver causes the same warning again and again: one in this time is logged. */
const COMPLAINTS_APART_MS = 10_000;

const KINDS = { server: SpanKind.SERVER, internal: SpanKind.INTERNAL, client: SpanKind.CLIENT };

export interface OtlpOptions {
  readonly endpoint: string;
  readonly serviceName: string;
  readonly headers: readonly (readonly [string, string])[];
}

export class OtlpExporter implements SpanExporter {
  private readonly provider: TracerProvider;
  private readonly tracer: Tracer;
  /** The ids of the next span. */
  private readonly next = { traceId: '', spanId: '' };

  constructor(
    options: OtlpOptions,
    logger: Logger,
    private readonly clock: Clock,
  ) {
    listenToComplaints(logger, clock);
    const exporter = new OTLPTraceExporter({
      url: options.endpoint,
      headers: Object.fromEntries(options.headers),
      timeoutMillis: TRY_MS_MAX,
    });
    const { next } = this;
    this.provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': options.serviceName }),
      sampler: new AlwaysOnSampler(),
      idGenerator: { generateTraceId: () => next.traceId, generateSpanId: () => next.spanId },
      spanProcessors: [
        new BatchSpanProcessor({
          exporter,
          scheduledDelayMillis: SEND_EVERY_MS,
          maxQueueSize: WAITING_SPANS_MAX,
          exportTimeoutMillis: SEND_MS_MAX,
        }),
      ],
    });
    this.tracer = this.provider.getTracer('sluice');
  }

  export({ traceId, parentSpanId, request, children }: FinishedTrace): void {
    this.next.traceId = traceId;
    const above = parentSpanId === '' ? ROOT_CONTEXT : below(traceId, parentSpanId, true);
    this.make(request, above);
    const own = below(traceId, request.spanId, false);
    for (const child of children) this.make(child, own);
  }

  private make(finished: FinishedSpan, context: Context): void {
    this.next.spanId = finished.spanId;
    const { name, kind, beganMs, endedMs, isError, attributes } = finished;
    const startTime = this.unixMsOf(beganMs);
    const span = this.tracer.startSpan(name, { kind: KINDS[kind], startTime, attributes }, context);
    if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(this.unixMsOf(endedMs));
  }

  /** The wall time of a moment on the monotonic clock. */
  private unixMsOf(monotonicMs: number): number {
    return this.clock.unixMs() - this.clock.nowMs() + monotonicMs;
  }

  async shutdown(): Promise<void> {
    await this.provider.shutdown();
  }
}

function below(traceId: string, spanId: string, isRemote: boolean): Context {
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: SAMPLED, isRemote });
}

/** The SDK reports failures in one place for the whole thread. */
function listenToComplaints(logger: Logger, clock: Clock): void {
  let lastMs = Number.NEGATIVE_INFINITY;
  const complain = (message: string): void => {
    const nowMs = clock.nowMs();
    if (nowMs - lastMs < COMPLAINTS_APART_MS) return;
    lastMs = nowMs;
    logger.warn({ reason: reasonIn(message) }, 'spans are not exported');
  };
  const ignore = (): void => {};
  const sink = { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(sink, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

/** The SDK writes an error as JSON, with its stack. */
function reasonIn(message: string): string {
  try {
    const { message: reason } = JSON.parse(message) as { readonly message?: unknown };
    return typeof reason === 'string' && reason !== '' ? reason : message;
  } catch {
    return message;
  }
}
