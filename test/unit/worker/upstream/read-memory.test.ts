import { describe, expect, it } from 'vitest';
import {
  BODY_BLOCK_BYTES,
  BODY_BLOCK_COUNT,
  BODY_BLOCKS_BYTES,
  BodyBlocks,
} from '../../../../src/channel/body-blocks.js';
import { ReadMemory } from '../../../../src/worker/upstream/read-memory.js';

const LONG = BODY_BLOCK_BYTES;
const SHORT = 1000;

function aMemory() {
  const blocks = new BodyBlocks(new SharedArrayBuffer(BODY_BLOCKS_BYTES), 0);
  const memory = new ReadMemory({ blocks, giveBack: (block) => void blocks.giveBack(block) });
  return { blocks, memory, common: memory.begin() };
}

describe('what a connection reads into', () => {
  it('is common to all, unless much came and more follows', () => {
    const { memory, common, blocks } = aMemory();
    expect(memory.begin()).toBe(common);
    expect(memory.next(common, SHORT, true)).toBe(common);
    expect(memory.next(common, LONG, false)).toBe(common);
    expect(memory.next(common, LONG, true)).not.toBe(common);
    expect(blocks.heldCount).toBe(1);
  });

  it('is the same block again when nothing of it was shared, else another one', () => {
    const { memory, common, blocks } = aMemory();
    const first = memory.next(common, LONG, true);
    expect(memory.next(first, LONG, true)).toBe(first);
    blocks.tryShare(first);
    const second = memory.next(first, LONG, true);
    expect(second).not.toBe(first);
    expect(second).not.toBe(common);
    blocks.release(first.byteOffset);
    expect(blocks.heldCount).toBe(1);
  });

  it.each([
    ['little comes', SHORT, true],
    ['the body ends', LONG, false],
  ])('is common again when %s', (_, bytes, goesOn) => {
    const { memory, common, blocks } = aMemory();
    const block = memory.next(common, LONG, true);
    expect(memory.next(block, bytes, goesOn)).toBe(common);
    expect(blocks.heldCount).toBe(0);
  });

  it('is common when no block is free', () => {
    const { memory, common, blocks } = aMemory();
    const lent = Array.from({ length: BODY_BLOCK_COUNT }, () => memory.next(common, LONG, true));
    expect(lent).not.toContain(common);
    expect(memory.next(common, LONG, true)).toBe(common);
    for (const block of lent) memory.end(block);
    memory.end(common);
    expect(blocks.heldCount).toBe(0);
  });
});
