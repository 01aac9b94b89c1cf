/**
 * Makes a value that many share one that nobody can change.
 *
 * Thread: any (pure).
 */

/** Freezes a value of JSON with all of its parts, and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
