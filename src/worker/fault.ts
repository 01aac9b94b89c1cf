/**
 * Makes a worker fail on purpose, so that tests can show what happens then.
 *
 * Thread: worker. Only the supervisor orders this, and only where faults are allowed.
 */
import type { WorkerFault } from '../channel/lane.js';

/** Slots of each piece with which the heap is filled: 8 bytes each. */
const PIECE_SLOTS = 1 << 14;

/** Never returns, unless memory turns out to be endless. */
export function fail(fault: WorkerFault): void {
  if (fault === 'crash') throw new Error('injected fault: crash');
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
