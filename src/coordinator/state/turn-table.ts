/**
 * The round-robin cursor of each upstream.
 *
 * Thread: coordinator. Owns the cursors in shared memory: a coordinator that is started again
 * goes on where the last one was.
 */
import { assert } from '../../base/assert.js';

export function upstreamTableBytes(upstreamCount: number): number {
  return Math.max(1, upstreamCount) * 4;
}

export class UpstreamTable {
  private readonly cursors: Int32Array;

  constructor(buffer: ArrayBufferLike) {
    this.cursors = new Int32Array(buffer);
  }

  /** The position whose turn it is. */
  cursorOf(upstreamIndex: number): number {
    return this.cursors[upstreamIndex] as number;
  }

  setCursor(upstreamIndex: number, position: number): void {
    assert(position >= 0, 'a cursor is a position');
    this.cursors[upstreamIndex] = position;
  }
}
