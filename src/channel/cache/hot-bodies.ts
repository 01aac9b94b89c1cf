/**
 * Bodies of stored replies in blocks of the lane, from which the acceptor sends them uncopied.
 *
 * Thread: any (both ends), used by workers. All hits of one entry share one block: a body is copied
 * out of its segment once, and again when the entry or the block has changed hands.
 *
 * Invariants: a body is kept by place and sequence of its entry, so that it is the entry's own for
 * as long as the entry is found. The bytes are good until the end of the turn only: after that the
 * block may be given back. A record that points to it holds it for as long as the acceptor needs.
 */
import type { BodyBlocks } from '../body-blocks.js';
import type { BlockLender } from '../lane.js';

/** Shorter bodies are copied: see body-blocks.ts. */
const BODY_BYTES_MIN = 4096;
/** Longer ones go out in several pieces, the last of them perhaps much later. */
const BODY_BYTES_MAX = 64 * 1024;
/** Of the blocks of the lane: the others are for targets. */
const BLOCKS_MAX = 8;

interface HotBody {
  readonly block: Buffer;
  readonly sequence: number;
  /** null: it is being copied. */
  body: Buffer | null;
}

export class HotBodies {
  /** By place; the one that was used last is the last. */
  private readonly bodies = new Map<number, HotBody>();
  private blocks: BodyBlocks;

  constructor(private readonly lane: BlockLender) {
    this.blocks = lane.blocks;
  }

  takes(bodyBytes: number): boolean {
    return bodyBytes >= BODY_BYTES_MIN && bodyBytes <= BODY_BYTES_MAX;
  }

  /** null: it is in no block. */
  find(segment: number, slot: number, sequence: number): Buffer | null {
    if (this.lane.blocks !== this.blocks) this.forgetAll();
    const key = keyOf(segment, slot);
    const known = this.bodies.get(key);
    if (known === undefined) return null;
    if (known.sequence !== sequence) {
      this.drop(segment, slot);
      return null;
    }
    this.bodies.delete(key);
    this.bodies.set(key, known);
    return known.body;
  }

  /** A block for a body that is in none; null: there is none. keep() or drop() follows at once. */
  borrow(segment: number, slot: number, sequence: number): Buffer | null {
    if (this.bodies.size >= BLOCKS_MAX) this.dropOldest();
    const block = this.blocks.borrow();
    if (block === undefined) return null;
    this.bodies.set(keyOf(segment, slot), { block, sequence, body: null });
    return block;
  }

  /** The body lies in the block that was borrowed for it. */
  keep(segment: number, slot: number, body: Buffer): void {
    const known = this.bodies.get(keyOf(segment, slot));
    if (known !== undefined) known.body = body;
  }

  drop(segment: number, slot: number): void {
    this.dropKey(keyOf(segment, slot));
  }

  private dropOldest(): void {
    for (const key of this.bodies.keys()) {
      this.dropKey(key);
      return;
    }
  }

  private dropKey(key: number): void {
    const known = this.bodies.get(key);
    if (known === undefined) return;
    this.bodies.delete(key);
    this.lane.giveBack(known.block);
  }

  /** The lane has other memory, and is done with the old one when its blocks are back. */
  private forgetAll(): void {
    for (const { block } of this.bodies.values()) this.lane.giveBack(block);
    this.bodies.clear();
    this.blocks = this.lane.blocks;
  }
}

function keyOf(segment: number, slot: number): number {
  return segment * 2 ** 32 + slot;
}
