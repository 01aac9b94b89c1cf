/**
 * Stops the thread when one of our own rules is broken.
 *
 * Thread: any (pure). Assertions are for our own mistakes only: what clients, upstreams and the
 * configuration send is validated, never asserted.
 */

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws {@link AssertionError} when `condition` does not hold. Kept in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Ends an exhaustive match over a union: reaching it is a mistake in our code. */
export function assertNever(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`);
}

/**
 * Returns the value, which must be there by our own rules. Throws {@link AssertionError} when it is
 * null or undefined.
 */
export function defined<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`${what} is missing`);
  return value;
}
