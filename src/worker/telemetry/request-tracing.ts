/**
 * Which requests are traced, and where their spans go.
 *
 * Thread: worker. Owns the exporter of the configuration in force, and the one of the next while
 * that is made ready. A request that comes with a valid traceparent is sampled if that says so;
 * of the others a share. One that is not costs a look at its fields, and nothing where no tracing
 * is configured.
 */
import type { Clock, Random } from '../../base/clock.js';
import type { CompiledTracing, GatewaySettings } from '../../config/compiled-config.js';
import type { ThreadLogger } from '../../observability/logger.js';
import type { FinishedTrace, SpanExporter } from '../../observability/span-exporter.js';
import { parseTraceparent } from '../../observability/trace-context.js';
import type { Exchange } from '../exchange/exchange.js';
import { RequestTrace } from '../exchange/request-trace.js';

interface Ready {
  readonly config: CompiledTracing;
  readonly exporter: SpanExporter;
  readonly hidden: ReadonlySet<string>;
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
    this.prepared = { config: tracing, exporter, hidden: new Set(tracing.redactQuery) };
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

  /** Whether the request is traced. Hot path (bench/gateway/plain-get): once for every request. */
  begin(exchange: Exchange): boolean {
    if (this.current === null) return false;
    const parent = parseTraceparent(exchange.head.fields.value('traceparent'));
    const isSampled =
      parent?.isSampled ?? this.host.random() * 100 < this.current.config.samplePercent;
    if (isSampled) exchange.trace = new RequestTrace(parent);
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

function isSame(one: CompiledTracing | null, other: CompiledTracing | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other ?? null);
}
