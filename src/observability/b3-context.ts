/**
 * The trace fields of Zipkin: `b3`, and the older X-B3-* (github.com/openzipkin/b3-propagation).
 *
 * Thread: any (pure).
 *
 *     b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90
 *         trace id (16 or 32 digits), span, sampling state, parent of the span; the last two may be
 *         missing
 *     b3: 0
 *         only the sampling state: 1, 0, or d for debug
 */
import type { IncomingTrace, OutgoingTrace, TraceFormat } from './trace-format.js';

const CONTEXT = /^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$/;
const TRACE_ID = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const ZEROS = /^0+$/;

/** X-B3-Sampled; early tracers wrote words. */
const SAMPLED: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
]);

export const B3_FORMAT: TraceFormat = {
  read(fields) {
    const text = fields.value('b3');
    if (text === '0' || text === '1' || text === 'd') return decision(stateOf(text), text === 'd');
    const [whole, traceId = '', spanId = '', state = ''] = CONTEXT.exec(text) ?? [];
    return whole === undefined ? null : contextOf(traceId, spanId, stateOf(state), state === 'd');
  },
  write(fields, trace) {
    fields.replacePlain('b3', trace.traceId === '' ? stateText(trace) : contextText(trace));
  },
};

export const B3_MULTI_FORMAT: TraceFormat = {
  read(fields) {
    const traceId = fields.value('x-b3-traceid');
    const spanId = fields.value('x-b3-spanid');
    const isDebug = fields.value('x-b3-flags') === '1';
    const isSampled = isDebug || (SAMPLED.get(fields.value('x-b3-sampled')) ?? null);
    if (traceId !== '' || spanId !== '') {
      const isValid = TRACE_ID.test(traceId) && SPAN_ID.test(spanId);
      return isValid ? contextOf(traceId, spanId, isSampled, isDebug) : null;
    }
    return isSampled === null ? null : decision(isSampled, isDebug);
  },
  write(fields, trace) {
    fields.replacePlain('x-b3-traceid', trace.traceId);
    fields.replacePlain('x-b3-spanid', trace.spanId);
    fields.replacePlain('x-b3-parentspanid', trace.parentSpanId);
    // Debug says that it is sampled, too.
    fields.replacePlain('x-b3-sampled', trace.isDebug ? '' : stateText(trace));
    fields.replacePlain('x-b3-flags', trace.isDebug ? '1' : '');
  },
};

function stateOf(state: string): boolean | null {
  return state === '' ? null : state !== '0';
}

function stateText({ isSampled, isDebug }: OutgoingTrace): string {
  if (isDebug) return 'd';
  return isSampled ? '1' : '0';
}

function contextText(trace: OutgoingTrace): string {
  const parent = trace.parentSpanId === '' ? '' : `-${trace.parentSpanId}`;
  return `${trace.traceId}-${trace.spanId}-${stateText(trace)}${parent}`;
}

/** Short ids are those of 128 bits that begin with zeros. null: an id that is none. */
function contextOf(
  traceId: string,
  spanId: string,
  isSampled: boolean | null,
  isDebug: boolean,
): IncomingTrace | null {
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return null;
  return { traceId: traceId.padStart(32, '0'), spanId, isSampled, isDebug };
}

function decision(isSampled: boolean | null, isDebug: boolean): IncomingTrace {
  return { traceId: '', spanId: '', isSampled, isDebug };
}
