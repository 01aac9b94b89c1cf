/**
 * Where finished traces go, without a word about how.
 *
 * Thread: any (pure). Types only: what implements them is loaded when it is configured.
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
  /** Of who sent the request; empty: the trace began here. */
  readonly parentSpanId: string;
  readonly request: FinishedSpan;
  readonly children: readonly FinishedSpan[];
}

export interface SpanExporter {
  export(trace: FinishedTrace): void;
  /** Sends what waits; resolves when it is sent, or given up. */
  shutdown(): Promise<void>;
}
