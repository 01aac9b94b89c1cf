/**
 * Which requests are traced, and where their spans go.
 *
 * Thread: worker. Owns the exporter of the configuration in force, and the one of the next while
 * that is made ready. A request that comes with a valid trace is sampled if that says so; of the
 * others a share. One that is not costs a look at its fields, and nothing where no tracing is
 * configured.
 */
import type { Clock, Random } from '../../base/clock.js';
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { CompiledTracing } from '../../config/compiled-observability.js';
import type { ThreadLogger } from '../../observability/logger.js';
import type { FinishedTrace, SpanExporter } from '../../observability/span-exporter.js';
import type { TraceFormat } from '../../observability/trace-format.js';
import { type FoundTrace, findTrace, TRACE_FORMATS } from '../../observability/trace-formats.js';
import type { Exchange } from '../exchange/exchange.js';
import type { RequestFields } from '../exchange/request-fields.js';
import { RequestTrace } from '../exchange/request-trace.js';

interface Ready {
  readonly config: CompiledTracing;
  readonly exporter: SpanExporter;
  readonly hidden: ReadonlySet<string>;
  /** In order of preference. */
  readonly formats: readonly TraceFormat[];
}

/** The thread that traces are made on. `random` draws the sample. */
export interface TracingHost {
  readonly log: ThreadLogger;
  readonly clock: Clock;
  readonly random: Random;
}

export class RequestTracing {
  private current: Ready | null = null;
  private prepared: Ready | null = null;

  constructor(private readonly host: TracingHost) {}

  /** Loads what a configuration needs; what it says is in force once it is adopted. */
  async prepare({ tracing }: GatewaySettings): Promise<void> {
    await this.drop(this.prepared);
    this.prepared = null;
    if (tracing === null || isSame(tracing, this.current?.config)) return;
    const { OtlpExporter } = await import('../../observability/otlp-exporter.js');
    const exporter = new OtlpExporter(tracing, this.host.log.logger, this.host.clock);
    const formats = tracing.propagation.map((name) => TRACE_FORMATS[name]);
    this.prepared = { config: tracing, exporter, hidden: new Set(tracing.redactQuery), formats };
  }

  adopt({ tracing }: GatewaySettings): void {
    if (isSame(tracing, this.current?.config)) return;
    const before = this.current;
    this.current = tracing === null ? null : this.prepared;
    this.prepared = null;
    this.drop(before).catch((error: unknown) => {
      this.host.log.logger.warn({ err: error }, 'the last spans were not exported');
    });
  }

  /** Some requests are traced. */
  get isOn(): boolean {
    return this.current !== null;
  }

  /** Whether the request is traced. Hot path (bench/gateway/plain-get): once for every request. */
  begin(exchange: Exchange): boolean {
    if (this.current === null) return false;
    const { config, formats } = this.current;
    const { fields } = exchange.head;
    const found = findTrace(fields, formats);
    const isSampled = found?.trace.isSampled ?? this.host.random() * 100 < config.samplePercent;
    if (isSampled) exchange.trace = new RequestTrace(found, formats);
    else if (found !== null) translate(fields, found, formats);
    return isSampled;
  }

  end(exchange: Exchange, nowMs: number): void {
    const { current } = this;
    if (current === null || exchange.trace === null) return;
    const trace: FinishedTrace = exchange.trace.finish(exchange, nowMs, current.hidden);
    current.exporter.export(trace);
  }

  /** Sends what waits. */
  async close(): Promise<void> {
    await Promise.all([this.drop(this.current), this.drop(this.prepared)]);
    this.current = null;
  }

  private async drop(ready: Ready | null): Promise<void> {
    await ready?.exporter.shutdown();
  }
}

/**
 * A request that is not sampled goes on with the fields that it came with; whoever reads another
 * format is told the same in that one.
 */
function translate(
  fields: RequestFields,
  { trace, format }: FoundTrace,
  formats: readonly TraceFormat[],
): void {
  for (const other of formats) {
    if (other === format) continue;
    other.write(fields, { ...trace, parentSpanId: '', isSampled: false });
    if (other === TRACE_FORMATS.w3c) fields.replacePlain('tracestate', '');
  }
}

function isSame(one: CompiledTracing | null, other: CompiledTracing | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other ?? null);
}
