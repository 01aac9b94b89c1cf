/**
 * Takes finished traces and sends them somewhere.
 *
 * Thread: any (pure). Types only: the implementation is loaded when tracing is configured.
 */

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** One span. Times are on the monotonic clock. */
export interface FinishedSpan {
  readonly name: string;
  readonly kind: 'server' | 'internal' | 'client';
  /** 16 hex digits. */
  readonly spanId: string;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly isError: boolean;
  readonly attributes: SpanAttributes;
}

/** A request's span, and those below it. */
export interface FinishedTrace {
  /** 32 hex digits. */
  readonly traceId: string;
  /** The sender's span; empty: the trace began in the gateway. */
  readonly parentSpanId: string;
  readonly request: FinishedSpan;
  readonly children: readonly FinishedSpan[];
}

export interface SpanExporter {
  export(trace: FinishedTrace): void;
  /** Sends the waiting spans; resolves when they are sent or given up. */
  shutdown(): Promise<void>;
}
