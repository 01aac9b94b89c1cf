/**
 * The traceparent field (W3C Trace Context, level 1, section 3.2).
 *
 * Thread: any (pure).
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version, trace id, id of the parent span, flags (bit 0: sampled)
 */
import type { IncomingTrace, OutgoingTrace, TraceFormat } from './trace-format.js';

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
const SAMPLED = 1;

/** tracestate is not touched: whoever goes on from another format takes it away. */
export const W3C_FORMAT: TraceFormat = {
  read: (fields) => parseTraceparent(fields.value('traceparent')),
  write(fields, trace) {
    fields.replacePlain('traceparent', trace.traceId === '' ? '' : formatTraceparent(trace));
  },
};

/** null: the field is not valid and must be ignored. */
export function parseTraceparent(text: string): IncomingTrace | null {
  const match = TRACEPARENT.exec(text);
  if (match === null) return null;
  const [, version = '', traceId = '', spanId = '', flags = '', more] = match;
  if (version === 'ff' || traceId === NO_TRACE || spanId === NO_SPAN) return null;
  // Later versions may have more parts behind the flags; version 00 does not.
  if (version === '00' && more !== undefined) return null;
  const isSampled = (Number.parseInt(flags, 16) & SAMPLED) !== 0;
  return { traceId, spanId, isSampled, isDebug: false };
}

function formatTraceparent({ traceId, spanId, isSampled }: OutgoingTrace): string {
  return `00-${traceId}-${spanId}-0${isSampled ? SAMPLED : 0}`;
}
