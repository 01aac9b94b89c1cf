/**
 * Texts that are put together once and read often.
 *
 * Thread: any (pure).
 */

/**
 * The same text as one flat string: V8 keeps a concatenation as a tree until somebody reads the
 * characters.
 */
export function flat<T extends string>(text: T): T {
  return Buffer.from(text, 'utf8').toString('utf8') as T;
}
