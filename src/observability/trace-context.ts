/**
 * The traceparent field (W3C Trace Context, level 1, section 3.2).
 *
 * Thread: any (pure).
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version, trace id, id of the parent span, flags (bit 0: sampled)
 */

export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
const SAMPLED = 1;

/** null: the field is not valid and must be ignored. */
export function parseTraceparent(text: string): TraceParent | null {
  const match = TRACEPARENT.exec(text);
  if (match === null) return null;
  const [, version = '', traceId = '', spanId = '', flags = '', more] = match;
  if (version === 'ff' || traceId === NO_TRACE || spanId === NO_SPAN) return null;
  // Later versions may have more parts behind the flags; version 00 does not.
  if (version === '00' && more !== undefined) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

/** The field for a sampled span. */
export function formatTraceparent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}
