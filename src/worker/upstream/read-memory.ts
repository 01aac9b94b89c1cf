/**
 * Where connections to targets read into.
 *
 * Thread: worker. All of them share one buffer, as what they read is handed on at once: the bytes
 * are valid until the next read only. One whose reply comes in long pieces gets a block of the
 * lane's in its place: what it reads there is not copied again.
 */
import { BODY_BLOCK_BYTES } from '../../channel/body-blocks.js';
import type { BlockLender } from '../../channel/lane.js';

/** So much in one read, and more to come: the next read goes into a block. */
const LONG_READ_BYTES = 16 * 1024;

/** What is read of a reply before it is known how fast its client takes it. */
const FIRST_READ_BYTES = 128 * 1024;

export class ReadMemory {
  private readonly common = Buffer.allocUnsafeSlow(BODY_BLOCK_BYTES);

  /** For the first read of a reply: its client may have room for little. */
  readonly first = this.common.subarray(0, FIRST_READ_BYTES);

  constructor(private readonly lane: BlockLender) {}

  /** For a connection that has read nothing yet. */
  begin(): Buffer {
    return this.common;
  }

  /**
   * What the connection reads into next. `buffer`: what it read into last; `bytes`: how many came;
   * `goesOn`: they were part of a body that has not ended.
   */
  next(buffer: Buffer, bytes: number, goesOn: boolean): Buffer {
    const isLong = goesOn && bytes >= LONG_READ_BYTES;
    if (isLong && buffer !== this.common && this.lane.blocks.isOnlyHolder(buffer)) return buffer;
    this.end(buffer);
    return (isLong ? this.lane.blocks.borrow() : undefined) ?? this.common;
  }

  /** The connection reads into the buffer no more. */
  end(buffer: Buffer): void {
    if (buffer !== this.common) this.lane.giveBack(buffer);
  }
}
