/**
 * The HTTP methods that the gateway knows.
 *
 * Thread: any (pure).
 */

/** All methods that are forwarded; a route without a list of methods takes each of them. */
export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

export type HttpMethod = (typeof HTTP_METHODS)[number];

/** The idempotent methods of RFC 9110 9.2.2, without those that the gateway does not forward. */
const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set<HttpMethod>([
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
]);

/**
 * The methods whose requests say so when they have no body, by `Content-Length: 0` (RFC 9110 8.6).
 */
export const METHODS_WITH_CONTENT: ReadonlySet<string> = new Set<HttpMethod>([
  'POST',
  'PUT',
  'PATCH',
]);

/** The methods whose requests have no body (RFC 9110 9.3.2 and 9.3.8). */
export const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(['HEAD', 'TRACE']);

/** Whether sending the request twice has the same effect as sending it once. */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method);
}
