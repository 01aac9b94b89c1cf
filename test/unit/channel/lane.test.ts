import { describe, expect, it } from 'vitest';
import { allocateLane, LaneEnd, laneStatusOf } from '../../../src/channel/lane.js';
import { PROTOCOL_VERSION } from '../../../src/channel/protocol-version.js';

/** Counts rings instead of waking anybody. */
class CountedDoorbell {
  rings = 0;
  postMessage(): void {
    this.rings++;
  }
}

function aLane(ringBytes?: number) {
  const memory = allocateLane(ringBytes);
  const bells = { acceptor: new CountedDoorbell(), worker: new CountedDoorbell() };
  return {
    bells,
    acceptor: new LaneEnd(memory, 'acceptor', bells.acceptor),
    worker: new LaneEnd(memory, 'worker', bells.worker),
  };
}

function indexesOf(end: LaneEnd): number[] {
  const indexes: number[] = [];
  end.drain({ onRecord: (_kind, _flags, index) => indexes.push(index) });
  return indexes;
}

describe('lane', () => {
  it('carries requests one way and replies the other, and mixes nothing', () => {
    const { acceptor, worker } = aLane();
    acceptor.producer.claim(1, 10, 0, 0);
    worker.producer.claim(5, 20, 0, 0);
    acceptor.publish();
    worker.publish();
    expect(indexesOf(worker)).toEqual([10]);
    expect(indexesOf(acceptor)).toEqual([20]);
  });

  it('rings only for an end that sleeps', () => {
    const { acceptor, worker, bells } = aLane();
    acceptor.producer.claim(1, 1, 0, 0);
    acceptor.publish();
    expect(bells.acceptor.rings).toBe(0);
    indexesOf(worker);
    worker.consumer.park();
    acceptor.producer.claim(1, 2, 0, 0);
    acceptor.producer.claim(1, 3, 0, 0);
    acceptor.publish();
    acceptor.publish();
    expect(bells.acceptor.rings).toBe(1);
    expect(indexesOf(worker)).toEqual([2, 3]);
  });

  it('rings for a producer that waits for space, also when a handler throws', () => {
    const { acceptor, worker, bells } = aLane(1024);
    for (let index = 0; index < 6; index++) acceptor.producer.claim(1, index, 0, 240);
    acceptor.publish();
    const fail = (): void => {
      throw new Error('mine');
    };
    expect(() => worker.drain({ onRecord: fail })).toThrow('mine');
    expect(bells.worker.rings).toBe(1);
    acceptor.publish();
    expect(indexesOf(worker)).toEqual([1, 2, 3, 4]);
    expect(bells.worker.rings).toBe(2);
    acceptor.publish();
    expect(indexesOf(worker)).toEqual([5]);
    expect(bells.worker.rings).toBe(2);
  });
});

it('a lane is refused by an end that was built for other records', () => {
  const memory = allocateLane(64 * 1024);
  laneStatusOf(memory).setProtocolVersion(PROTOCOL_VERSION + 1);
  for (const side of ['acceptor', 'worker'] as const) {
    expect(() => new LaneEnd(memory, side, { postMessage: () => {} })).toThrow(
      `the lane speaks version ${PROTOCOL_VERSION + 1} of its records and this thread version ` +
        `${PROTOCOL_VERSION}`,
    );
  }
});
