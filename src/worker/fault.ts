/**
 * Makes a worker fail on purpose, so that tests can show what happens then.
 *
 * Thread: worker. Only the supervisor orders it, and only where faults may be injected.
 */
import type { WorkerFault } from '../channel/lane.js';

/** Slots of each piece with which the heap is filled: 8 bytes each. */
const PIECE_SLOTS = 1 << 14;

/** Does not return, except to find that memory is endless. */
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
