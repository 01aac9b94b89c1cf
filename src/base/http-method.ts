/**
 * Which methods may be sent twice.
 *
 * Thread: any (pure).
 */

/** RFC 9110 9.2.2, without the methods that the gateway does not forward. */
const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
]);

/** Whether doing it twice is the same as doing it once. */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method);
}
