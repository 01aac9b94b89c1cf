/**
 * Makes a thread fail on purpose, so that tests can show what happens then.
 *
 * Thread: any (both ends). Only the supervisor orders this, and only where faults are allowed.
 */

/**
 * Ways to fail: an uncaught exception, an endless loop, a full heap, and a call that ends the
 * thread.
 */
export type ThreadFault = 'crash' | 'hang' | 'oom' | 'exit';

/** Slots of each piece with which the heap is filled: 8 bytes each. */
const PIECE_SLOTS = 1 << 14;

/** Never returns, unless memory turns out to be endless. */
export function fail(fault: ThreadFault): void {
  if (fault === 'crash') throw new Error('injected fault: crash');
  if (fault === 'exit') process.exit(1);
  if (fault === 'hang') hang();
  else fillHeap();
}

function hang(): never {
  for (;;);
}

function fillHeap(): never {
  const pieces: number[][] = [];
  for (;;) pieces.push(new Array<number>(PIECE_SLOTS).fill(pieces.length + 0.5));
}
