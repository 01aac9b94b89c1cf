/**
 * Reads how long a target wants to be left alone: Retry-After, and what gRPC has in its place.
 *
 * Thread: worker. RFC 9110 10.2.3: whole seconds, or a date. gRPC, proposal A6: milliseconds.
 */
import { type FieldBlock, firstValueOf } from '../../base/field-block.js';
import { parseHttpDate } from '../../base/http-date.js';

/**
 * How long the target asks to be left alone, by the fields of its reply; 0: it does not say, or
 * says it in a form that RFC 9110 does not know.
 */
export function retryAfterMs(fields: FieldBlock, unixMs: number): number {
  return parseRetryAfterMs(firstValueOf(fields, 'retry-after'), unixMs);
}

function parseRetryAfterMs(value: string, unixMs: number): number {
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const atMs = parseHttpDate(text, unixMs);
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - unixMs);
}

/** The target of a call wants it not to be sent again. */
export const DO_NOT_RETRY = -1;

/** The same of a call, by grpc-retry-pushback-ms; 0: the target does not say. */
export function pushbackMs(fields: FieldBlock): number {
  const text = firstValueOf(fields, 'grpc-retry-pushback-ms');
  if (text === '') return 0;
  return /^\d{1,9}$/.test(text) ? Number(text) : DO_NOT_RETRY;
}
