/**
 * Memory for connections that no lane lends any.
 */
import { BODY_BLOCKS_BYTES, BodyBlocks } from '../../src/channel/body-blocks.js';
import { ReadMemory } from '../../src/worker/upstream/read-memory.js';

export function makeReadMemory(): ReadMemory {
  const blocks = new BodyBlocks(new SharedArrayBuffer(BODY_BLOCKS_BYTES), 0);
  return new ReadMemory({ blocks, giveBack: (block) => void blocks.giveBack(block) });
}
