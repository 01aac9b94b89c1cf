/**
 * Shared memory that targets' replies are read into, so that a long body crosses its lane uncopied.
 *
 * Thread: any (both ends). The worker reads from a socket into a block; the record on the lane says
 * only where the bytes lie, and the acceptor sends them from there. A reply that finds no block
 * free is copied into the ring like any other.
 *
 *     +0    holders of each block, one word each
 *     +128  the blocks
 *
 * Invariant: a block is read into only by who has borrowed it, and only while nobody else holds it.
 * The worker holds a block from borrow() to giveBack(), and once more for each record that points
 * into it; the acceptor gives that back when it has taken the record's bytes. Both count in the
 * same word: whoever comes to zero has freed the block.
 */
import { assert } from '../base/assert.js';

/** What is read at once. */
export const BODY_BLOCK_BYTES = 256 * 1024;
/**
 * Memory is taken only for those that were in use at the same time. A connection keeps its block
 * while a slow client makes it wait: with more such clients than blocks, replies are copied again.
 */
export const BODY_BLOCK_COUNT = 32;

const HOLDERS_BYTES = 128;
/** Less is copied: that costs less than to point at it. */
const SHARED_BYTES_MIN = 4096;

/** Bytes of shared memory that the blocks of one lane need. */
export const BODY_BLOCKS_BYTES = HOLDERS_BYTES + BODY_BLOCK_COUNT * BODY_BLOCK_BYTES;

export class BodyBlocks {
  private readonly holders: Int32Array;
  private readonly blocks: readonly Buffer[];
  private readonly start: number;

  constructor(
    private readonly memory: SharedArrayBuffer,
    offset: number,
  ) {
    this.holders = new Int32Array(memory, offset, BODY_BLOCK_COUNT);
    this.start = offset + HOLDERS_BYTES;
    this.blocks = Array.from({ length: BODY_BLOCK_COUNT }, (_, block) =>
      Buffer.from(memory, this.start + block * BODY_BLOCK_BYTES, BODY_BLOCK_BYTES),
    );
  }

  /** Blocks that somebody holds. For figures and tests. */
  get heldCount(): number {
    return this.holders.reduce(
      (count, _, block) => count + (this.holdersOf(block) === 0 ? 0 : 1),
      0,
    );
  }

  /** Worker: a block to read into; undefined: all are held. The same few are lent again. */
  borrow(): Buffer | undefined {
    // Only the worker takes a block from zero: nobody else can have come in between.
    const free = this.holders.findIndex((_, block) => this.holdersOf(block) === 0);
    if (free !== -1) Atomics.store(this.holders, free, 1);
    return this.blocks[free];
  }

  /** Worker: whether nobody but itself holds the block that it has borrowed. */
  isOnlyHolder(block: Buffer): boolean {
    return this.holdersOf(this.indexOf(block.byteOffset)) === 1;
  }

  /** Worker: reads into a borrowed block no more. */
  giveBack(block: Buffer): void {
    this.release(block.byteOffset);
  }

  /** Worker: a record points to these bytes from now on. False: in no block, or too few. */
  tryShare(bytes: Buffer): boolean {
    if (bytes.length < SHARED_BYTES_MIN) return false;
    if ((bytes.buffer as unknown) !== this.memory || bytes.byteOffset < this.start) return false;
    Atomics.add(this.holders, this.indexOf(bytes.byteOffset), 1);
    return true;
  }

  /** Acceptor: the bytes of a record; to be released when they were taken. */
  bytesAt(position: number, length: number): Buffer {
    const block = this.indexOf(position);
    const at = position - this.start - block * BODY_BLOCK_BYTES;
    assert(length >= 0 && at + length <= BODY_BLOCK_BYTES, 'the bytes lie in one block');
    return Buffer.from(this.memory, position, length);
  }

  /** One holder less of the block that the position lies in. */
  release(position: number): void {
    const before = Atomics.sub(this.holders, this.indexOf(position), 1);
    assert(before > 0, 'who gives a block back has held it');
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
