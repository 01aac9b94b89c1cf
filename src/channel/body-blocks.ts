/**
 * Shared memory into which a worker reads replies of targets, so that a long body crosses its lane
 * without a copy.
 *
 * Thread: any (both ends). The worker reads from a socket into a block. The record on the lane says
 * only where the bytes lie, and the acceptor sends them from there. A reply that finds all blocks
 * held is copied into the ring like any other.
 *
 *     +0    holders of each block, one word each
 *     +128  the blocks
 *
 * Invariant: only the worker that has borrowed a block reads into it, and only while nobody else
 * holds the block. The worker holds a block from borrow() to giveBack(), and once more for each
 * record that points into the block; the acceptor releases the latter when it has taken the
 * record's bytes. Both count in the same word, and the side that brings the word to zero has freed
 * the block.
 */
import { assert } from '../base/assert.js';

/** Most bytes of one read from a socket. */
export const BODY_BLOCK_BYTES = 256 * 1024;
/**
 * The operating system provides memory only for as many blocks as were in use at the same time. A
 * connection keeps its block while a slow client makes it wait: with more such clients than blocks,
 * replies are copied again.
 */
export const BODY_BLOCK_COUNT = 32;

/** What is to be zeroes where blocks begin. */
export const BODY_HOLDERS_BYTES = 128;
/** Fewer bytes are copied: a small copy costs less than a record that points to a block. */
const SHARED_BYTES_MIN = 4096;

/** Bytes of shared memory that the blocks of one lane need. */
export const BODY_BLOCKS_BYTES = BODY_HOLDERS_BYTES + BODY_BLOCK_COUNT * BODY_BLOCK_BYTES;

export class BodyBlocks {
  /** Worker: blocks that somebody may read into. */
  lentCount = 0;

  private readonly holders: Int32Array;
  private readonly blocks: readonly Buffer[];
  private readonly start: number;

  constructor(
    private readonly memory: SharedArrayBuffer,
    offset: number,
  ) {
    this.holders = new Int32Array(memory, offset, BODY_BLOCK_COUNT);
    this.start = offset + BODY_HOLDERS_BYTES;
    this.blocks = Array.from({ length: BODY_BLOCK_COUNT }, (_, block) =>
      Buffer.from(memory, this.start + block * BODY_BLOCK_BYTES, BODY_BLOCK_BYTES),
    );
  }

  /** The number of blocks that somebody holds. For figures and tests. */
  get heldCount(): number {
    return this.holders.reduce(
      (count, _, block) => count + (this.holdersOf(block) === 0 ? 0 : 1),
      0,
    );
  }

  /**
   * Worker: lends a block to read into; undefined: all blocks are held. It prefers the first
   * blocks, so that the same few are in use.
   */
  borrow(): Buffer | undefined {
    // Only the worker raises a count from zero, so the block is still free in the next line.
    const free = this.holders.findIndex((_, block) => this.holdersOf(block) === 0);
    if (free === -1) return undefined;
    Atomics.store(this.holders, free, 1);
    this.lentCount += 1;
    return this.blocks[free];
  }

  /** Worker: whether it is the only holder of the block that it has borrowed. */
  isOnlyHolder(block: Buffer): boolean {
    return this.isOfThese(block) && this.holdersOf(this.indexOf(block.byteOffset)) === 1;
  }

  /**
   * Worker: ends the loan, and reads into the block no more. False: the block is of other memory.
   */
  giveBack(block: Buffer): boolean {
    if (!this.isOfThese(block)) return false;
    this.lentCount -= 1;
    this.release(block.byteOffset);
    return true;
  }

  /**
   * Worker: notes that a record points to these bytes. False: they lie in no block, or are too few.
   */
  tryShare(bytes: Buffer): boolean {
    if (bytes.length < SHARED_BYTES_MIN) return false;
    if (!this.isOfThese(bytes) || bytes.byteOffset < this.start) return false;
    Atomics.add(this.holders, this.indexOf(bytes.byteOffset), 1);
    return true;
  }

  /** Acceptor: the bytes of a record. The acceptor calls release() when it has taken them. */
  bytesAt(position: number, length: number): Buffer {
    const block = this.indexOf(position);
    const at = position - this.start - block * BODY_BLOCK_BYTES;
    assert(length >= 0 && at + length <= BODY_BLOCK_BYTES, 'the bytes lie in one block');
    return Buffer.from(this.memory, position, length);
  }

  /** Removes one holder of the block in which the position lies. */
  release(position: number): void {
    const before = Atomics.sub(this.holders, this.indexOf(position), 1);
    assert(before > 0, 'who gives a block back has held it');
  }

  private isOfThese(bytes: Buffer): boolean {
    return (bytes.buffer as unknown) === this.memory;
  }

  private holdersOf(block: number): number {
    return Atomics.load(this.holders, block);
  }

  private indexOf(position: number): number {
    const block = Math.floor((position - this.start) / BODY_BLOCK_BYTES);
    assert(block >= 0 && block < BODY_BLOCK_COUNT, 'the position lies in a block');
    return block;
  }
}
