/**
 * Header fields that a configuration may not hand out.
 *
 * Thread: any (pure).
 */

/** Fields that frame a message or belong to one hop: only the gateway itself may write them. */
export const RESERVED_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** In replies the gateway writes these as well. */
export const RESERVED_IN_REPLIES: ReadonlySet<string> = new Set([
  ...RESERVED_FIELDS,
  'date',
  'x-request-id',
  'x-response-time',
]);

/** The reserved fields, and those by which the gateway says where a request came from. */
export const GATEWAY_FIELDS: ReadonlySet<string> = new Set([
  ...RESERVED_FIELDS,
  'authorization',
  'cdn-loop',
  'forwarded',
  'via',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
]);
