import { describe, expect, it } from 'vitest';
import { LaneEnd } from '../../../src/channel/lane.js';
import { LaneMemories } from '../../../src/supervisor/lane-memories.js';
import { settled } from '../../support/fake-threads.js';

const RING_BYTES = 64 * 1024;
const BELL = { postMessage: () => {} };

describe('memory of lanes', () => {
  it('is used again, by another generation, when all have let go', async () => {
    const memories = new LaneMemories(2);
    const first = memories.take(RING_BYTES);
    let letGo: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const retired = memories.retire(first, [Promise.resolve(), held]);
    await settled();
    const second = memories.take(RING_BYTES);
    expect(second.buffer).not.toBe(first.buffer);
    letGo();
    await retired;
    const third = memories.take(RING_BYTES);
    expect(third.buffer).toBe(first.buffer);
    expect(new Set([first, second, third].map(({ generation }) => generation)).size).toBe(3);
    expect(() => new LaneEnd(first, 'acceptor', BELL)).toThrow('nobody else has this memory');
  });

  it('is not used again when somebody may have it still', async () => {
    const memories = new LaneMemories(2);
    const first = memories.take(RING_BYTES);
    await expect(memories.retire(first, [Promise.reject(new Error('silent'))])).rejects.toThrow(
      'silent',
    );
    expect(memories.take(RING_BYTES).buffer).not.toBe(first.buffer);
  });

  it('is not used again for rings of another size', async () => {
    const memories = new LaneMemories(2);
    const small = memories.take(RING_BYTES);
    await memories.retire(small, []);
    expect(memories.take(2 * RING_BYTES).buffer).not.toBe(small.buffer);
    expect(memories.take(RING_BYTES).buffer).toBe(small.buffer);
  });

  it('is kept up to its bound, and no more of it', async () => {
    const memories = new LaneMemories(2);
    const taken = [1, 2, 3].map(() => memories.take(RING_BYTES));
    for (const memory of taken) await memories.retire(memory, []);
    const again = [1, 2, 3].map(() => memories.take(RING_BYTES).buffer);
    expect(again.filter((buffer) => taken.some((one) => one.buffer === buffer))).toHaveLength(2);
  });
});
