/**
 * Whole numbers from the command line.
 */

/** Throws a message for the user when it is none, or too small. */
export function readCount(name: string, text: string, min: number): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < min) {
    throw new Error(`--${name} takes a whole number from ${min} on, not ${text}`);
  }
  return count;
}
