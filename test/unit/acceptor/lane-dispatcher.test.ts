/** When a worker is woken, and what it finds then. */

import { describe, expect, it, vi } from 'vitest';
import type { DispatchRule } from '../../../src/acceptor/dispatch-rule.js';
import type { Downstream } from '../../../src/acceptor/in-flight-table.js';
import { LaneDispatcher } from '../../../src/acceptor/lane-dispatcher.js';
import type { RefusingLane } from '../../../src/acceptor/repeat-accounts.js';
import { systemClock } from '../../../src/base/clock.js';
import { NO_FIELDS } from '../../../src/base/field-block.js';
import {
  AcceptorLoads,
  allocateLoads,
  FITNESS,
} from '../../../src/channel/acceptor/acceptor-loads.js';
import { allocateLane, LaneEnd } from '../../../src/channel/lane.js';
import { PRESSURE_FULL } from '../../../src/channel/lane-status.js';
import { kindWithFlags } from '../../../src/channel/record-header.js';
import {
  FLAG_END,
  REQUEST_BODY,
  REQUEST_HEAD,
  REQUEST_REPEATS,
  RESPONSE_END,
  writeBare,
  writeBodyPosition,
} from '../../../src/channel/records/record-kind.js';
import { type RefusalHold, writeHold } from '../../../src/channel/records/repeat-records.js';
import { PROTOCOL_HTTP_1_1 } from '../../../src/channel/records/request-head.js';
import { writeResponseHead } from '../../../src/channel/records/response-head.js';
import { aDownstream } from '../../support/downstream.js';

const PLAIN = {
  protocol: PROTOCOL_HTTP_1_1,
  listener: 0,
  expectsContinue: false,
  wantsTunnel: false,
} as const;

/** Turns are real, time stands still. */
const CLOCK = { ...systemClock, nowMs: () => 0 };
const RULE = { inFlightMax: 100, depthMax: 100, waitMsMax: 1000 };

/** A lane whose worker is played by the test, and how often each end was rung. */
class Rig {
  wakes = 0;
  rings = 0;
  private read = 0;
  readonly dispatcher: LaneDispatcher;
  readonly worker: LaneEnd;

  constructor(rule: DispatchRule = RULE) {
    this.dispatcher = new LaneDispatcher(
      1,
      rule,
      (error) => {
        throw error;
      },
      CLOCK,
    );
    const memory = allocateLane(1 << 16);
    this.worker = new LaneEnd(memory, 'worker', { postMessage: () => this.rings++ });
    this.dispatcher.attach(0, memory, { postMessage: () => this.wakes++ });
  }

  /** A request, and what its client does when it is answered. */
  send(onAnswered: () => void = () => {}): number {
    const index: number = this.dispatcher.trySend(
      { ...PLAIN, receivedMs: 0, bodyBytes: 0, text: 'GET\n/\n::1\nhttp' },
      {
        onResponseEnd: () => {
          this.dispatcher.finish(index, 'replied');
          onAnswered();
        },
      } as Downstream,
    );
    return index;
  }

  /** Answers all that the worker finds; returns how much that was. */
  answer(): number {
    const found = this.worker.drain({
      onRecord: (_kind, _flags, index, generation) =>
        writeBare(this.worker.producer, kindWithFlags(RESPONSE_END, FLAG_END), index, generation),
    });
    this.read += found;
    this.worker.status.setHeadsRead(this.read);
    return found;
  }
}

/** Until neither end has anything to do in the next turn. */
function laneOf(dispatcher: LaneDispatcher): RefusingLane {
  const [lane] = Reflect.get(dispatcher, 'lanes') as RefusingLane[];
  if (lane === undefined) throw new Error('no lane');
  return lane;
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const HOLD: RefusalHold = {
  ...{ headNumber: 7, untilMs: 20, round: 1, hasNewId: true },
  ...{ route: { index: 2, name: 'wenige ü' }, clientIp: '2001:db8::1' },
};

it('is forsaken a second after its last lane, while others serve, until it has one again', () => {
  let nowMs = 0;
  const memory = allocateLoads(2);
  new AcceptorLoads(memory, 1).setFitness(FITNESS.serving);
  const loads = new AcceptorLoads(memory, 0);
  const rule = { ...RULE, cell: { loads, addresses: null, acceptorCount: 2, incarnation: 0 } };
  const dispatcher = new LaneDispatcher(2, rule, () => {}, { ...CLOCK, nowMs: () => nowMs });
  const serve = (lane: number) =>
    dispatcher.attach(lane, allocateLane(1 << 16), { postMessage: () => {} });
  const isForsakenIn = (ms: number): boolean => {
    nowMs += ms;
    return dispatcher.isForsaken;
  };
  expect([isForsakenIn(999), isForsakenIn(1)]).toEqual([false, true]);
  for (const lose of ['detach', 'abandon'] as const) {
    serve(0);
    expect([dispatcher.servedLanes, isForsakenIn(5000)]).toEqual([1, false]);
    serve(1);
    dispatcher[lose](1);
    expect([dispatcher.servedLanes, isForsakenIn(5000)]).toEqual([1, false]);
    dispatcher[lose](0);
    const isEarly = isForsakenIn(999);
    // One that was given up has ended now: clients wait no longer for that.
    dispatcher.detach(0);
    expect([isEarly, isForsakenIn(1)]).toEqual([false, true]);
  }
  serve(0);
  dispatcher.suspend(0);
  expect([isForsakenIn(2499), isForsakenIn(1)]).toEqual([false, true]);
  // Only now a spare thread is on its way.
  dispatcher.detach(0);
  expect([isForsakenIn(0), isForsakenIn(999), isForsakenIn(1)]).toEqual([false, false, true]);
  serve(0);
  dispatcher.suspend(0);
  dispatcher.resume(0);
  expect(isForsakenIn(5000)).toBe(false);
  // Another one serves all the while.
  serve(1);
  dispatcher.suspend(1);
  dispatcher.detach(1);
  expect(isForsakenIn(5000)).toBe(false);
});

describe('a refusal that holds', () => {
  it('is kept by the reply to its own request, whatever comes in between', () => {
    const rig = new Rig();
    const kept: [RefusalHold, number][] = [];
    vi.spyOn(rig.dispatcher.refusals, 'keep').mockImplementation((_lane, terms, { status }) => {
      kept.push([terms, status]);
    });
    const heads: number[] = [];
    const found: [number, number][] = [];
    const send = (status: number): number =>
      rig.dispatcher.trySend({ ...PLAIN, receivedMs: 0, bodyBytes: 0, text: 'GET\n/\n::1\nhttp' }, {
        onResponseHead: () => heads.push(status),
      } as unknown as Downstream);
    const [refused, other] = [send(429), send(430)];
    rig.dispatcher.onDoorbell();
    rig.worker.drain({ onRecord: (_kind, _flags, ...place) => found.push(place) });
    const generationOf = (at: number): number => found.find(([index]) => index === at)?.[1] ?? -1;
    const { producer } = rig.worker;
    writeHold(producer, refused, generationOf(refused), HOLD);
    for (const [index, status] of [
      [other, 430],
      [refused, 429],
      [refused, 429],
    ] as const) {
      const of = { index, generation: generationOf(index) };
      const head = {
        ...of,
        flags: FLAG_END,
        status,
        bodyBytes: 0,
        requestId: '',
        block: NO_FIELDS,
      };
      writeResponseHead(producer, head, null);
    }
    rig.worker.publish();
    rig.dispatcher.onDoorbell();
    expect(heads).toEqual([430, 429, 429]);
    expect(kept).toEqual([[HOLD, 429]]);
  });

  it('is not kept where another worker than the one that has announced it replies', async () => {
    const rig = new Rig();
    const keep = vi.spyOn(rig.dispatcher.refusals, 'keep');
    const heads: number[] = [];
    const downstream = aDownstream({
      onResponseHead: ({ status }) => heads.push(status),
      takeRerun: () => ({ ...PLAIN, receivedMs: 0, bodyBytes: 0, text: 'GET\n/\n::1\nhttp' }),
    });
    const request = { ...PLAIN, receivedMs: 0, bodyBytes: 0, text: 'GET\n/\n::1\nhttp' };
    const index = rig.dispatcher.trySend(request, downstream);
    await turns();
    rig.worker.drain({ onRecord() {} });
    const generation = rig.dispatcher.table.generationOf(index);
    writeHold(rig.worker.producer, index, generation, HOLD);
    rig.worker.publish();
    rig.dispatcher.onDoorbell();
    rig.dispatcher.detach(0);
    const memory = allocateLane(1 << 16);
    const successor = new LaneEnd(memory, 'worker', { postMessage() {} });
    rig.dispatcher.attach(0, memory, { postMessage() {} });
    const found: number[] = [];
    await turns();
    successor.drain({ onRecord: (_kind, _flags, at) => found.push(at) });
    const head = { flags: FLAG_END, status: 429, bodyBytes: 0, requestId: '', block: NO_FIELDS };
    writeResponseHead(successor.producer, { index, generation, ...head }, null);
    successor.publish();
    rig.dispatcher.onDoorbell();
    expect([found, heads]).toEqual([[index], [429]]);
    expect(keep).not.toHaveBeenCalled();
  });
});

describe('a gateway in which nothing happens', () => {
  it('wakes a worker that sleeps inside the call, and is rung for the reply', async () => {
    const rig = new Rig();
    await turns();
    for (let round = 1; round <= 3; round++) {
      expect(rig.worker.consumer.park()).toBe(true);
      rig.send();
      expect(rig.wakes).toBe(round);
      expect(rig.answer()).toBe(1);
      expect(rig.worker.publish()).toBe(true);
      expect(rig.rings).toBe(round);
      rig.dispatcher.onDoorbell();
      expect(rig.dispatcher.table.inFlight).toBe(0);
    }
    expect(rig.dispatcher.figures()[0]?.wakes).toBe(3);
  });

  it('publishes at the end of the turn what finds the worker awake', async () => {
    const rig = new Rig();
    await turns();
    rig.send();
    expect(rig.wakes).toBe(0);
    await turns();
    expect(rig.answer()).toBe(1);
  });
});

describe('requests that come together', () => {
  it('wake the worker once', async () => {
    const rig = new Rig();
    await turns();
    rig.worker.consumer.park();
    for (let count = 0; count < 10; count++) rig.send();
    expect(rig.wakes).toBe(1);
    await turns();
    expect(rig.wakes).toBe(1);
    expect(rig.answer()).toBe(10);
    rig.worker.publish();
    rig.dispatcher.onDoorbell();
    expect(rig.dispatcher.table.inFlight).toBe(0);
  });

  it('are seen by a worker that slept in between, whoever was first', async () => {
    const rig = new Rig();
    await turns();
    let sent = 0;
    let answered = 0;
    for (let round = 0; round < 50; round++) {
      if (round % 3 !== 0) rig.worker.consumer.park();
      for (let count = 0; count <= round % 4; count++) {
        rig.send(() => answered++);
        sent++;
      }
      if (round % 2 === 0) await turns();
      rig.worker.consumer.unpark();
      rig.answer();
      if (rig.worker.publish()) rig.dispatcher.onDoorbell();
      await turns();
      rig.answer();
      if (rig.worker.publish()) rig.dispatcher.onDoorbell();
      expect(rig.dispatcher.table.inFlight).toBe(0);
    }
    expect(answered).toBe(sent);
  });

  it('sent from inside of a reply go out in the same turn', async () => {
    const rig = new Rig();
    await turns();
    rig.worker.consumer.park();
    rig.send(() => rig.send());
    rig.worker.consumer.unpark();
    rig.answer();
    rig.worker.publish();
    rig.dispatcher.onDoorbell();
    expect(rig.answer()).toBe(1);
  });
});

describe('a request alone', () => {
  const REQUEST = { ...PLAIN, receivedMs: 0, bodyBytes: 0, text: 'GET\n/\n::1\nhttp' };
  const NOBODY = aDownstream();

  it('that moves to another lane, asleep, takes its body along', async () => {
    const dispatcher = new LaneDispatcher(2, RULE, () => {}, CLOCK);
    const memories = [allocateLane(1 << 16), allocateLane(1 << 16)] as const;
    const other = new LaneEnd(memories[1], 'worker', { postMessage() {} });
    const seen: number[] = [];
    for (const [lane, memory] of memories.entries()) {
      dispatcher.attach(lane, memory, { postMessage() {} });
    }
    await turns();
    other.consumer.park();
    const index = dispatcher.trySend({ ...REQUEST, bodyBytes: 5 }, NOBODY);
    dispatcher.sendBody(index, Buffer.from('hello'), true);
    await turns();
    dispatcher.detach(0);
    await turns();
    other.drain({ onRecord: (kind) => seen.push(kind) });
    expect(seen).toEqual([REQUEST_HEAD, REQUEST_BODY]);
  });

  it('meets the pressure of its own moment, not of the last busy one', async () => {
    const dispatcher = new LaneDispatcher(1, { ...RULE, inFlightMax: 10 }, () => {}, CLOCK);
    dispatcher.isPressureTold = true;
    const memory = allocateLane(1 << 16);
    const worker = new LaneEnd(memory, 'worker', { postMessage() {} });
    let met = -1;
    const port = { postMessage: () => setImmediate(() => (met = worker.status.pressure)) };
    dispatcher.attach(0, memory, port);
    await turns();
    const sent = Array.from({ length: 10 }, () => dispatcher.trySend(REQUEST, NOBODY));
    await turns();
    expect(worker.status.pressure).toBe(PRESSURE_FULL);
    worker.drain({ onRecord() {} });
    worker.status.setHeadsRead(10);
    dispatcher.onDoorbell();
    await turns();
    // Slow clients took the last bytes: outside of any turn of the lanes.
    for (const index of sent) dispatcher.finish(index, 'replied');
    await turns();
    worker.consumer.park();
    dispatcher.trySend(REQUEST, NOBODY);
    await turns();
    expect(met).toBe(PRESSURE_FULL / 10);
  });
});

it('is strained once half of a queue is in use, and takes no more than fit', () => {
  const rig = new Rig({ ...RULE, depthMax: 4 });
  const { dispatcher } = rig;
  const sent = Array.from({ length: 5 }, () => [rig.send(), dispatcher.isStrained]);
  expect(sent).toEqual([
    [0, false],
    [1, true],
    [2, true],
    [3, true],
    [-1, true],
  ]);
  dispatcher.onDoorbell();
  expect(rig.answer()).toBe(4);
  expect(dispatcher.isStrained).toBe(false);
});

it.each(['abandon', 'detach'] as const)('writes nothing to a worker after %s', (lose) => {
  const { dispatcher, worker } = new Rig();
  dispatcher.isPressureTold = true;
  dispatcher[lose](0);
  worker.status.setPressure(7);
  expect(dispatcher.isStrained).toBe(true);
  expect(worker.status.pressure).toBe(7);
});

describe('refusals that were given again', () => {
  it('are counted once, by the worker or when it has ended, also where it ends late', () => {
    const rig = new Rig();
    const { dispatcher } = rig;
    const uncounted: string[] = [];
    dispatcher.repeats.onUncounted = ({ requestId }) => uncounted.push(requestId);
    const lane = laneOf(dispatcher);
    const repeat = (idNumber: number): void => {
      lane.repeats.add(7, 0, idNumber);
      dispatcher.repeats.onRepeat(lane);
    };
    repeat(1);
    dispatcher.repeats.flush();
    repeat(2);
    dispatcher.suspend(0);
    dispatcher.abandon(0);
    expect(uncounted).toEqual(['-00000002']);
    dispatcher.detach(0);
    expect(uncounted).toEqual(['-00000002', '-00000001']);
    dispatcher.detach(0);
    expect(uncounted).toHaveLength(2);
  });

  it('are told before the next head: what the worker held of them may go then', () => {
    const rig = new Rig();
    laneOf(rig.dispatcher).repeats.add(7, 0, 1);
    rig.send();
    rig.dispatcher.onDoorbell();
    const kinds: number[] = [];
    rig.worker.drain({ onRecord: (kind) => void kinds.push(kind) });
    expect(kinds).toEqual([REQUEST_REPEATS, REQUEST_HEAD]);
  });

  it('are counted when their worker has ended, and can come no more', () => {
    const { dispatcher } = new Rig();
    const forgotten = vi.spyOn(dispatcher.refusals, 'forget');
    const uncounted: string[] = [];
    dispatcher.repeats.onUncounted = ({ requestId }) => uncounted.push(requestId);
    const lane = laneOf(dispatcher);
    const { end } = lane;
    lane.repeats.add(7, 0, 1);
    dispatcher.detach(0);
    expect(uncounted).toEqual(['-00000001']);
    expect(forgotten.mock.calls).toEqual([[end]]);
  });
});

describe('a piece of a reply that lies in a block', () => {
  /** A request, of which the worker has half a block ready; what its client was given. */
  async function withPiece(take: (chunk: Uint8Array, isLast: boolean) => void) {
    const errors: unknown[] = [];
    const dispatcher = new LaneDispatcher(1, RULE, (error) => errors.push(error), CLOCK);
    const memory = allocateLane(1 << 16);
    const worker = new LaneEnd(memory, 'worker', { postMessage() {} });
    dispatcher.attach(0, memory, { postMessage() {} });
    const client = aDownstream({ onResponseBody: take });
    const request = { ...PLAIN, receivedMs: 0, bodyBytes: 0, text: 'GET\n/\n::1\nhttp' };
    const index = dispatcher.trySend(request, client);
    const generation = dispatcher.table.generationOf(index);
    const block = worker.blocks.borrow() as Buffer;
    const piece = block.fill('b').subarray(4096, 20_000);
    expect(worker.blocks.tryShare(piece)).toBe(true);
    writeBodyPosition(worker.producer, FLAG_END, index, generation, piece);
    worker.blocks.giveBack(block);
    expect(worker.blocks.heldCount).toBe(1);
    const writeAgain = (): void => {
      worker.blocks.tryShare(piece);
      writeBodyPosition(worker.producer, FLAG_END, index, generation, piece);
    };
    return { dispatcher, worker, index, errors, writeAgain };
  }

  it('reaches its client as it is, and the block is given back', async () => {
    const taken: [string, boolean][] = [];
    const { dispatcher, worker } = await withPiece((chunk, isLast) => {
      taken.push([Buffer.from(chunk).toString('latin1'), isLast]);
      expect(dispatcher.figures()[0]?.bodyBlocks).toBe(1);
    });
    worker.publish();
    dispatcher.onDoorbell();
    expect(taken).toEqual([['b'.repeat(20_000 - 4096), true]]);
    expect(dispatcher.figures()[0]?.bodyBlocks).toBe(0);
  });

  it('gives its block back when the client has gone', async () => {
    const { dispatcher, worker, index } = await withPiece(() => {
      throw new Error('nobody is there');
    });
    dispatcher.finish(index, 'aborted');
    worker.publish();
    dispatcher.onDoorbell();
    expect(dispatcher.figures()[0]).toMatchObject({ bodyBlocks: 0, staleRecords: 1 });
  });

  it('is stale when its lane has ended meanwhile', async () => {
    const { dispatcher, worker, errors, writeAgain } = await withPiece(() => dispatcher.detach(0));
    writeAgain();
    worker.publish();
    dispatcher.onDoorbell();
    expect(errors).toEqual([]);
    expect(dispatcher.figures()[0]).toMatchObject({ isServed: false, staleRecords: 1 });
  });

  it('gives its block back when it cannot be handled', async () => {
    const { dispatcher, worker, errors } = await withPiece(() => {
      throw new Error('mine');
    });
    worker.publish();
    dispatcher.onDoorbell();
    expect(errors).toEqual([new Error('mine')]);
    expect(worker.blocks.heldCount).toBe(0);
  });
});
