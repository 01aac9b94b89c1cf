/**
 * The trace field of Jaeger's own clients, `uber-trace-id`.
 *
 * Thread: any (pure).
 *
 *     5b2b4ff5b4ce9f6b:be2b6b1a1f0c2ad4:0:1
 *     trace id, span id, parent of the span (not used any more), flags (bit 0: sampled, bit 1:
 *     debug); hexadecimal, zeros in front may be missing, and the colons may be percent-encoded
 */
import type { TraceFormat } from './trace-format.js';

const FIELD = 'uber-trace-id';
const CONTEXT = /^([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{1,16}:([0-9a-f]{1,2})$/i;
const ENCODED_COLON = /%3a/gi;
const ZEROS = /^0+$/;

const FLAG_SAMPLED = 1;
const FLAG_DEBUG = 2;

export const JAEGER_FORMAT: TraceFormat = {
  read(fields) {
    const text = fields.value(FIELD).replace(ENCODED_COLON, ':').toLowerCase();
    const [whole, traceId = '', spanId = '', hex = ''] = CONTEXT.exec(text) ?? [];
    if (whole === undefined || ZEROS.test(traceId) || ZEROS.test(spanId)) return null;
    const flags = Number.parseInt(hex, 16);
    const isDebug = (flags & FLAG_DEBUG) !== 0;
    return {
      traceId: traceId.padStart(32, '0'),
      spanId: spanId.padStart(16, '0'),
      isSampled: isDebug || (flags & FLAG_SAMPLED) !== 0,
      isDebug,
    };
  },
  write(fields, { traceId, spanId, isSampled, isDebug }) {
    const flags = (isSampled ? FLAG_SAMPLED : 0) | (isDebug ? FLAG_DEBUG : 0);
    fields.replacePlain(FIELD, traceId === '' ? '' : `${traceId}:${spanId}:0:${flags}`);
  },
};
