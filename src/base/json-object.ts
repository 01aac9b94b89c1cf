/**
 * What kind of JSON value something is.
 *
 * Thread: any (pure).
 */

/** Whether it is an object with keys, and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
