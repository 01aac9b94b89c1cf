import { describe, expect, it } from 'vitest';
import {
  allocateLane,
  LaneEnd,
  type LaneMemory,
  laneStatusOf,
  reuseLane,
} from '../../../src/channel/lane.js';
import { PROTOCOL_VERSION } from '../../../src/channel/protocol-version.js';

/** Counts rings instead of waking anybody. */
class CountedDoorbell {
  rings = 0;
  postMessage(): void {
    this.rings++;
  }
}

function aLane(ringBytes?: number) {
  return aLaneOf(allocateLane(ringBytes));
}

function aLaneOf(memory: LaneMemory) {
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

describe('memory of a lane that is used again', () => {
  const bell = { postMessage: () => {} };

  it('is as if it were fresh, whatever was left in it', () => {
    const memory = allocateLane(64 * 1024, 1);
    const before = aLaneOf(memory);
    // Records unread on both rings, one end asleep, the other out of space, blocks held.
    before.worker.consumer.park();
    for (let index = 0; index < 30; index += 1) before.acceptor.producer.claim(1, index, 0, 4000);
    before.worker.producer.claim(5, 20, 0, 100);
    before.acceptor.publish();
    before.worker.publish();
    const block = before.worker.blocks.borrow();
    expect(block !== undefined && before.worker.blocks.tryShare(block)).toBe(true);
    before.worker.status.setHeadsRead(7);
    before.worker.status.beat();
    before.acceptor.status.setPressure(500);

    const { acceptor, worker } = aLaneOf(reuseLane(memory, 2));
    expect(indexesOf(worker)).toEqual([]);
    expect(indexesOf(acceptor)).toEqual([]);
    expect(worker.blocks.heldCount).toBe(0);
    expect([worker.status.headsRead, worker.status.beats()]).toEqual([0, 0]);
    expect([acceptor.status.pressure, acceptor.producer.usedBytes]).toEqual([0, 0]);
    // Lap after lap.
    for (let index = 0; index < 200; index += 1) {
      acceptor.producer.claim(1, index, 1, 3000);
      expect(acceptor.publish()).toBe(false);
      expect(indexesOf(worker)).toEqual([index]);
    }
    expect(acceptor.producer.indexAtEnd).toBe(-1);
  });

  it('lets nobody in who has it from before', () => {
    const before = allocateLane(64 * 1024, 1);
    const now = reuseLane(before, 2);
    expect(now.buffer).toBe(before.buffer);
    expect(() => new LaneEnd(before, 'worker', bell)).toThrow('nobody else has this memory');
    expect(() => new LaneEnd(now, 'worker', bell)).not.toThrow();
  });
});

describe('an end that goes on in other memory', () => {
  const bell = { postMessage: () => {} };

  it('has left the earlier one at once, where it has borrowed nothing', () => {
    const end = new LaneEnd(allocateLane(64 * 1024), 'worker', bell);
    const left: number[] = [];
    end.renew(allocateLane(64 * 1024), bell, () => left.push(1));
    expect(left).toEqual([1]);
  });

  it('has left each when the last block of it is back, in any order', () => {
    const end = new LaneEnd(allocateLane(64 * 1024), 'worker', bell);
    const left: number[] = [];
    const borrow = (): Buffer => {
      const block = end.blocks.borrow();
      if (block === undefined) throw new Error('there are blocks');
      return block;
    };
    const [first, second] = [borrow(), borrow()];
    end.renew(allocateLane(64 * 1024), bell, () => left.push(1));
    const third = borrow();
    end.renew(allocateLane(64 * 1024), bell, () => left.push(2));
    const fourth = borrow();
    end.giveBack(first);
    expect(left).toEqual([]);
    end.giveBack(third);
    expect(left).toEqual([2]);
    // What the acceptor held of it is no matter: that acceptor is gone.
    end.giveBack(second);
    expect(left).toEqual([2, 1]);
    expect(end.blocks.heldCount).toBe(1);
    end.giveBack(fourth);
    expect([end.blocks.heldCount, left.length]).toEqual([0, 2]);
  });
});
