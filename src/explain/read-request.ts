/**
 * Reads a request that the admin listener should explain.
 *
 * Thread: supervisor (on the main thread). The input comes from a stranger, so everything is
 * checked.
 */
import { isIP } from 'node:net';
import { type ExplainedRequest, REPEAT_MAX } from './explanation.js';

const FIELDS_MAX = 100;

/** Returns the request, or what is wrong with it. */
export function readExplainedRequest(value: unknown): ExplainedRequest | string {
  if (typeof value !== 'object' || value === null) return 'send a JSON object';
  const asked = value as Record<string, unknown>;
  const { method, target, fields, from, consumer, repeat = 1, listener = '' } = asked;
  if (typeof method !== 'string') return 'method must be a string';
  if (typeof target !== 'string') return 'target must be a string: path and query';
  if (typeof from !== 'string' || isIP(from) === 0) return 'from must be an IP address';
  if (consumer !== null && typeof consumer !== 'string') return 'consumer must be a string or null';
  if (typeof listener !== 'string') return 'listener must be a string';
  if (!isCount(repeat)) return `repeat must be an integer from 1 to ${REPEAT_MAX}`;
  if (!Array.isArray(fields) || fields.length > FIELDS_MAX || !fields.every(isField)) {
    return `fields must be a list of at most ${FIELDS_MAX} [name, value] pairs`;
  }
  return { method, target, from, listener, consumer, repeat, fields };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= REPEAT_MAX;
}

function isField(value: unknown): value is readonly [string, string] {
  return (
    Array.isArray(value) && value.length === 2 && value.every((one) => typeof one === 'string')
  );
}
