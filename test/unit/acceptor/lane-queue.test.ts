import { expect, it } from 'vitest';
import { LaneQueue } from '../../../src/acceptor/lane-queue.js';
import { LANE_STATUS_BYTES, LaneStatus } from '../../../src/channel/lane-status.js';

function aQueue(depthMax = 4, waitMsMax = 100) {
  const status = new LaneStatus(new SharedArrayBuffer(LANE_STATUS_BYTES), 0);
  const queue = new LaneQueue(status, { depthMax, waitMsMax }, 0);
  return { status, queue };
}

it('is full at the last request that fits, and not one before', () => {
  const { status, queue } = aQueue();
  for (let count = 1; count <= 3; count++) queue.onSent();
  expect(queue.isFull).toBe(false);
  queue.onSent();
  expect(queue.isFull).toBe(true);
  status.setHeadsRead(1);
  queue.look(1);
  expect(queue.depth).toBe(3);
  expect(queue.isFull).toBe(false);
});

it('is full when the oldest has waited longer than it may, until that is read', () => {
  const { status, queue } = aQueue();
  queue.look(1000);
  queue.onSent();
  queue.look(1010);
  queue.look(1110);
  expect(queue.isFull).toBe(false);
  queue.look(1111);
  expect(queue.isFull).toBe(true);
  status.setHeadsRead(1);
  queue.look(1112);
  expect(queue.isFull).toBe(false);
});

it('of a worker that keeps up is never old, however long it goes on', () => {
  const { status, queue } = aQueue();
  for (let turn = 1; turn <= 1000; turn++) {
    queue.onSent();
    queue.look(turn * 50);
    status.setHeadsRead(turn - 1);
    expect(queue.isFull).toBe(false);
  }
});

it('that was empty for long is not old with its next request', () => {
  const { queue } = aQueue();
  queue.look(5);
  queue.look(99_999);
  queue.onSent();
  queue.look(100_000);
  expect(queue.isFull).toBe(false);
  queue.look(100_101);
  expect(queue.isFull).toBe(true);
});
