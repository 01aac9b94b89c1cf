/**
 * Which fields the encoder writes into its table, and which must never be in one.
 *
 * Thread: any (pure). RFC 7541 7.1. Whoever can choose a part of what a connection carries, and
 * sees how long it becomes, can guess what the table holds, text by text. So secrets never enter a
 * table, neither ours nor one of an intermediary behind us.
 */

/** It may enter the table. */
export const INDEX_KEPT = 0;
/** It is another one each time, and would only push out others. */
export const INDEX_NONE = 1;
/** It is a secret, and nobody on its way may index it. */
export const INDEX_NEVER = 2;
export type IndexPolicy = typeof INDEX_KEPT | typeof INDEX_NONE | typeof INDEX_NEVER;

const SECRET = /cookie|auth|token|secret|key|passw|session|csrf|xsrf|signature|credential/;

const VOLATILE: ReadonlySet<string> = new Set([
  ':path',
  'age',
  'content-length',
  'content-range',
  'etag',
  'expires',
  'forwarded',
  'if-modified-since',
  'if-none-match',
  'last-modified',
  'location',
  'range',
  'ratelimit',
  'retry-after',
  'traceparent',
  'tracestate',
  'x-forwarded-for',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-request-id',
  'x-response-time',
]);

/** `name` is in lower case. */
export function indexPolicyOf(name: string): IndexPolicy {
  if (isSecret(name)) return INDEX_NEVER;
  return VOLATILE.has(name) ? INDEX_NONE : INDEX_KEPT;
}

/** `:authority` is no secret, and what CORS says of credentials is none either. */
function isSecret(name: string): boolean {
  return SECRET.test(name) && !name.startsWith(':') && !name.startsWith('access-control-');
}
