import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BODY_BLOCK_BYTES,
  BODY_BLOCK_COUNT,
  BODY_BLOCKS_BYTES,
  BodyBlocks,
} from '../../../src/channel/body-blocks.js';

const OFFSET = 256;

/** Both ends over one memory. */
function bothEnds(): { worker: BodyBlocks; acceptor: BodyBlocks } {
  const memory = new SharedArrayBuffer(OFFSET + BODY_BLOCKS_BYTES);
  return { worker: new BodyBlocks(memory, OFFSET), acceptor: new BodyBlocks(memory, OFFSET) };
}

function borrow(worker: BodyBlocks): Buffer {
  const block = worker.borrow();
  if (block === undefined) throw new Error('no block is free');
  return block;
}

describe('blocks for long bodies', () => {
  it('are lent once, as many as there are, and the first free one first', () => {
    const { worker } = bothEnds();
    const blocks = Array.from({ length: BODY_BLOCK_COUNT }, () => borrow(worker));
    expect(new Set(blocks.map((block) => block.byteOffset)).size).toBe(BODY_BLOCK_COUNT);
    expect(blocks.every((block) => block.length === BODY_BLOCK_BYTES)).toBe(true);
    expect(worker.borrow()).toBeUndefined();
    for (const block of [blocks[7], blocks[3]]) worker.giveBack(block as Buffer);
    expect(borrow(worker).byteOffset).toBe(blocks[3]?.byteOffset);
    expect(worker.heldCount).toBe(BODY_BLOCK_COUNT - 1);
  });

  it('show the acceptor the very bytes of the worker', () => {
    const { worker, acceptor } = bothEnds();
    borrow(worker);
    const block = borrow(worker);
    block.fill('x').write('hello', 100, 'latin1');
    const piece = block.subarray(100, 100 + 8000);
    expect(worker.tryShare(piece)).toBe(true);
    const seen = acceptor.bytesAt(piece.byteOffset, piece.length);
    expect(seen.equals(piece)).toBe(true);
    expect(seen.toString('latin1', 0, 6)).toBe('hellox');
  });

  it('are free when the worker and every record have let go, in whatever order', () => {
    const { worker, acceptor } = bothEnds();
    const block = borrow(worker);
    const halves = [block.subarray(0, 5000), block.subarray(5000, 10_000)];
    for (const half of halves) expect(worker.tryShare(half)).toBe(true);
    acceptor.release(block.byteOffset);
    expect(worker.isOnlyHolder(block)).toBe(false);
    worker.giveBack(block);
    expect(acceptor.heldCount).toBe(1);
    acceptor.release(block.byteOffset + 5000);
    expect(acceptor.heldCount).toBe(0);
  });

  it('are not pointed to for a few bytes, nor for bytes of other memory', () => {
    const { worker } = bothEnds();
    const block = borrow(worker);
    expect(worker.tryShare(block.subarray(0, 100))).toBe(false);
    expect(worker.tryShare(Buffer.alloc(BODY_BLOCK_BYTES))).toBe(false);
    expect(worker.isOnlyHolder(block)).toBe(true);
  });

  it('let nobody see what lies outside of them', () => {
    const { worker, acceptor } = bothEnds();
    const { byteOffset } = borrow(worker);
    const end = byteOffset + BODY_BLOCK_COUNT * BODY_BLOCK_BYTES;
    for (const position of [-8, 0, byteOffset - 1, end]) {
      expect(() => acceptor.bytesAt(position, 1)).toThrow('lies in a block');
      expect(() => acceptor.release(position)).toThrow('lies in a block');
    }
    for (const length of [-1, BODY_BLOCK_BYTES + 1]) {
      expect(() => acceptor.bytesAt(byteOffset, length)).toThrow('lie in one block');
    }
  });

  it('are given back by nobody who does not hold them', () => {
    const { worker, acceptor } = bothEnds();
    const block = borrow(worker);
    worker.giveBack(block);
    expect(() => acceptor.release(block.byteOffset)).toThrow('has held it');
  });

  it('never lie under two readers, nor under one while a record points into them', () => {
    const step = fc.record({
      act: fc.constantFrom('borrow', 'share', 'return', 'read'),
      at: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { worker, acceptor } = bothEnds();
        const lent: Buffer[] = [];
        const records: number[] = [];
        for (const { act, at } of steps) {
          if (act === 'borrow') {
            const block = worker.borrow();
            if (block === undefined) continue;
            if (lent.includes(block)) expect.fail('lent twice');
            if (records.includes(block.byteOffset)) expect.fail('lent while it is read');
            lent.push(block);
          } else if (act === 'share' && lent.length > 0) {
            const block = lent[at % lent.length] as Buffer;
            if (!worker.tryShare(block)) expect.fail('not shared');
            records.push(block.byteOffset);
          } else if (act === 'return' && lent.length > 0) {
            worker.giveBack(lent.splice(at % lent.length, 1)[0] as Buffer);
          } else if (act === 'read' && records.length > 0) {
            acceptor.release(records.shift() as number);
          }
          const held = new Set([...lent.map((block) => block.byteOffset), ...records]);
          if (worker.heldCount !== held.size) expect.fail(`${worker.heldCount} held`);
          for (const block of lent) {
            const isOnly = !records.includes(block.byteOffset);
            if (worker.isOnlyHolder(block) !== isOnly) expect.fail(`only holder: ${!isOnly}`);
          }
        }
      }),
    );
  });
});
