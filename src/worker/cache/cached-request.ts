/**
 * What a request is for the cache: whether it concerns it, and what it asks of a stored reply.
 *
 * Thread: worker.
 */
import type { BypassReason } from '../../base/cache-reasons.js';
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import type { EntryHead } from '../../channel/cache/cache-entry.js';
import { isUnmodified } from '../../policy/caching/conditional.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import { viaOf } from '../reply/via.js';
import { type MemoryRequest, validatorsOf } from './memory-reply.js';
import { listIn, QUERY } from './route-cache.js';

const OVERRIDES = [
  ...['x-http-method-override', 'x-http-method', 'x-method-override'],
  ...['x-original-url', 'x-rewrite-url', 'x-override-url'],
] as const;

const NO_CONDITIONS = { range: '', ifRange: '', ifNoneMatch: '', ifModifiedSince: '' };
const PLAIN_GET: MemoryRequest = { method: 'GET', ...NO_CONDITIONS };
const PLAIN_HEAD: MemoryRequest = { method: 'HEAD', ...NO_CONDITIONS };

/** Why the cache has nothing to do with it; null: it has. */
export function bypassOf(exchange: Exchange): BypassReason | null {
  const { method } = exchange.head;
  if (method !== 'GET' && method !== 'HEAD' && method !== QUERY) return 'method';
  // A body is a part of the key of QUERY, as far as it is there before the request is sent.
  const { bodyBytes, isCollected } = exchange.upload;
  if (method === QUERY ? !isCollected : bodyBytes !== 0) return 'body';
  if (exchange.wantsTunnel) return 'tunnel';
  return isOverridden(exchange) ? 'override' : null;
}

/** Its target may take it for another request than the key says. */
function isOverridden({ head }: Exchange): boolean {
  const { plain } = head.fields;
  return plain.some((name, at) => at % 2 === 0 && OVERRIDES.some((one) => one === name));
}

/** Whether the stored reply answers without its body: by a head, or by 304. */
export function wantsNoBody(exchange: Exchange, stored: EntryHead, nowUnixMs: number): boolean {
  const { method, fields } = exchange.head;
  if (method === 'HEAD') return true;
  // 304 stands for 200 only.
  if (stored.status !== 200 || !fields.hasConditions()) return false;
  return isUnmodified(memoryRequestOf(exchange), validatorsOf(stored), nowUnixMs);
}

export function memoryRequestOf(exchange: Exchange): MemoryRequest {
  const { method, fields } = exchange.head;
  if (!fields.hasConditions()) return method === 'HEAD' ? PLAIN_HEAD : PLAIN_GET;
  return {
    method,
    range: listIn(exchange, 'range'),
    ifRange: listIn(exchange, 'if-range'),
    ifNoneMatch: listIn(exchange, 'if-none-match'),
    ifModifiedSince: listIn(exchange, 'if-modified-since'),
  };
}

/** What the gateway adds to a stored reply: how it came to it. */
export function ownFieldsOf(exchange: Exchange): FieldBlock {
  if (exchange.epoch?.via.inReplies !== true) return NO_FIELDS;
  return viaOf(upstreamOf(exchange).protocol.startsWith('h2'));
}
