/**
 * All formats in which traces are read from requests and told to targets.
 *
 * Thread: any (pure).
 */
import { B3_FORMAT, B3_MULTI_FORMAT } from './b3-context.js';
import { JAEGER_FORMAT } from './jaeger-context.js';
import { W3C_FORMAT } from './trace-context.js';
import type { IncomingTrace, TraceFieldSource, TraceFormat } from './trace-format.js';

/** By the name that the configuration has for it. */
export const TRACE_FORMATS = {
  w3c: W3C_FORMAT,
  b3: B3_FORMAT,
  b3multi: B3_MULTI_FORMAT,
  jaeger: JAEGER_FORMAT,
} as const satisfies Readonly<Record<string, TraceFormat>>;

/** A trace, and the format that told it. */
export interface FoundTrace {
  readonly trace: IncomingTrace;
  readonly format: TraceFormat;
}

/** By the first of the formats that a request has valid fields of; null: by none. */
export function findTrace(
  fields: TraceFieldSource,
  formats: readonly TraceFormat[],
): FoundTrace | null {
  for (const format of formats) {
    const trace = format.read(fields);
    if (trace !== null) return { trace, format };
  }
  return null;
}
