/**
 * Which methods may be sent twice.
 *
 * Thread: any (pure).
 */

/** The idempotent methods of RFC 9110 9.2.2, without those that the gateway does not forward. */
const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
]);

/** Whether sending the request twice has the same effect as sending it once. */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method);
}
