/**
 * The contract of a format in which a trace goes from one service to the next.
 *
 * Thread: any (pure). trace-formats.ts has them all.
 */

/** What a request says of the trace that it belongs to. */
export interface IncomingTrace {
  /** 32 digits in lower case; '': the request says only whether it is sampled. */
  readonly traceId: string;
  /** 16 digits in lower case, or ''. */
  readonly spanId: string;
  /** null: that is left to whoever gets the request. */
  readonly isSampled: boolean | null;
  /** Sampled whatever anybody else decides. */
  readonly isDebug: boolean;
}

/** What a target is told. */
export interface OutgoingTrace {
  /** '': no trace, only whether it is sampled. */
  readonly traceId: string;
  readonly spanId: string;
  /** '': not known. */
  readonly parentSpanId: string;
  readonly isSampled: boolean;
  readonly isDebug: boolean;
}

export interface TraceFieldSource {
  /** The first value of a field by lower-case name, or ''. */
  value(name: string): string;
}

export interface TraceFieldSink {
  /** Sets a field in place of what the client sent; '' takes it away. */
  replacePlain(name: string, value: string): void;
}

export interface TraceFormat {
  /** null: the request has no fields of this format, or none that are valid. */
  read(fields: TraceFieldSource): IncomingTrace | null;
  write(fields: TraceFieldSink, trace: OutgoingTrace): void;
}
