/** When the heap of a thread is collected because the thread is quiet. */
import { expect, it } from 'vitest';
import { heapOfThread, QuietHeap } from '../../../src/observability/quiet-heap.js';

const MIB = 2 ** 20;

function played() {
  const heap = {
    young: 40 * MIB,
    busy: 0,
    collections: 0,
    youngBytes: () => heap.young,
    busyShare: () => heap.busy,
    collect: () => {
      heap.collections += 1;
    },
  };
  return { heap, quiet: new QuietHeap(heap) };
}

it('collects while the thread is quiet, until the young generation is small', () => {
  const { heap, quiet } = played();
  quiet.look();
  quiet.look();
  expect(heap.collections).toBe(2);
  heap.young = MIB;
  quiet.look();
  expect(heap.collections).toBe(2);
});

it('leaves a thread alone that works', () => {
  const { heap, quiet } = played();
  heap.busy = 0.5;
  for (let look = 0; look < 5; look += 1) quiet.look();
  expect(heap.collections).toBe(0);
});

it('gives up where that is in vain, and tries again behind the next busy time', () => {
  const { heap, quiet } = played();
  for (let look = 0; look < 9; look += 1) quiet.look();
  expect(heap.collections).toBe(3);
  heap.busy = 0.5;
  quiet.look();
  heap.busy = 0;
  quiet.look();
  expect(heap.collections).toBe(4);
});

it('reads both from the thread that it runs in', () => {
  const heap = heapOfThread();
  expect(heap.youngBytes()).toBeGreaterThan(0);
  const share = heap.busyShare();
  expect(share).toBeGreaterThan(0);
  expect(share).toBeLessThanOrEqual(1);
});
