/**
 * Numbers in sentences.
 *
 * Thread: any (pure).
 */

/** `1 route`, `2 routes`. */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
