/**
 * Whose turn it is: the cursor of each upstream, and the balance of each target by its weight.
 *
 * Thread: coordinator. Owns the cursors, and the balances in the target rows, in shared memory: a
 * coordinator that is started again goes on where the last one was.
 */
import { assert } from '../../base/assert.js';
import type { CoordinatorMemory } from '../../channel/coordinator/coordinator-memory.js';
import { TargetStateRow } from '../../channel/coordinator/target-states.js';

export function cursorBytes(upstreamCount: number): number {
  return Math.max(1, upstreamCount) * 4;
}

/** Main thread: clears the row for another upstream; nobody else uses the row at this time. */
export function clearCursor(buffer: ArrayBufferLike, upstreamIndex: number): void {
  new Int32Array(buffer)[upstreamIndex] = 0;
}

export class TurnTable {
  private readonly cursors: Int32Array;
  private readonly row: TargetStateRow;

  constructor(memory: Pick<CoordinatorMemory, 'upstreams' | 'targets'>) {
    this.cursors = new Int32Array(memory.upstreams);
    this.row = new TargetStateRow(memory.targets);
  }

  /** The position whose turn it is. */
  cursorOf(upstreamIndex: number): number {
    return this.cursors[upstreamIndex] as number;
  }

  setCursor(upstreamIndex: number, position: number): void {
    assert(position >= 0, 'a cursor is a position');
    this.cursors[upstreamIndex] = position;
  }

  balanceOf(targetIndex: number): number {
    return this.row.bind(targetIndex).balance;
  }

  setBalance(targetIndex: number, balance: number): void {
    this.row.bind(targetIndex).balance = balance;
  }
}
