/**
 * The names of threads in figures.
 *
 * Thread: any (pure).
 */

/** Of the counter block at this place: the acceptor's comes first. */
export function threadName(block: number): string {
  return block === 0 ? 'acceptor' : `worker-${block - 1}`;
}
