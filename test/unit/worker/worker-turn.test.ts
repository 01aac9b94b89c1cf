/** The turn of a worker on a real lane, with a pipeline that is played, under a clock that is moved. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type FieldBlock, field } from '../../../src/base/field-block.js';
import { allocateCounters, CounterBlock } from '../../../src/channel/counter-block.js';
import { allocateLane, LaneEnd } from '../../../src/channel/lane.js';
import { kindWithFlags } from '../../../src/channel/record-header.js';
import { writeTrailers } from '../../../src/channel/records/field-records.js';
import {
  FLAG_CUT,
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  REQUEST_END,
  REQUEST_TRAILERS,
  RESPONSE_END,
  writeBare,
  writeBody,
  writeWindow,
} from '../../../src/channel/records/record-kind.js';
import {
  PROTOCOL_HTTP_1_1,
  tryWriteRequestHead,
} from '../../../src/channel/records/request-head.js';
import { COUNTERS, counterCount } from '../../../src/observability/counters.js';
import {
  DEADLINE_TICK_MS,
  DeadlineEntry,
  DeadlineWheel,
} from '../../../src/worker/exchange/deadline-wheel.js';
import type { Exchange, RequestRecord } from '../../../src/worker/exchange/exchange.js';
import { KnownHeads } from '../../../src/worker/exchange/known-heads.js';
import { WorkerTurn } from '../../../src/worker/worker-turn.js';
import { FakeClock } from '../../support/fake-clock.js';
import { makeExchange } from '../../support/make-exchange.js';

class Rig {
  readonly clock = new FakeClock();
  /** Times that the acceptor was woken. */
  wakes = 0;
  readonly said: string[] = [];
  readonly errors: unknown[] = [];
  readonly acceptor: LaneEnd;
  readonly worker: LaneEnd;
  readonly wheel: DeadlineWheel;
  readonly turn: WorkerTurn;
  readonly counters: CounterBlock;
  readonly coordinator = {
    replies: 0,
    isBehind: false,
    droppedTells: 0,
    holdsGrants: false,
    flushes: 0,
    drain: (): number => {
      const { replies } = this.coordinator;
      this.coordinator.replies = 0;
      if (replies > 0) this.said.push(`${replies} replies`);
      return replies;
    },
    flush: (): boolean => {
      this.coordinator.flushes += 1;
      return this.coordinator.isBehind;
    },
  };
  readonly epochs = {
    hasEarlier: false,
    release: (nowMs: number): void => void this.said.push(`release at ${nowMs}`),
  };
  readonly writer = { isBehind: false, flushHeads: () => {} };
  readonly exchanges = new Map<number, Exchange>();
  /** What a request makes of its head, once it was noted. */
  onRequest: (exchange: Exchange) => void = () => {};

  constructor() {
    const shape = { routes: 1, upstreams: 1, targets: 1 };
    this.counters = new CounterBlock(allocateCounters(counterCount(shape)));
    const memory = allocateLane(1 << 16);
    this.acceptor = new LaneEnd(memory, 'acceptor', { postMessage: () => {} });
    this.worker = new LaneEnd(memory, 'worker', { postMessage: () => this.wakes++ });
    this.wheel = new DeadlineWheel(this.clock.nowMs(), () => this.turn.startTicking());
    this.turn = new WorkerTurn({
      clock: this.clock,
      lane: this.worker,
      pipeline: this.pipeline(),
      replies: {
        onWindow: (_, bytes) => void this.said.push(`window ${bytes}`),
        onLaneRoom: () => void this.said.push('room'),
      },
      writer: this.writer,
      coordinator: this.coordinator,
      wheel: this.wheel,
      epochs: this.epochs,
      heads: new KnownHeads(),
      refusals: { onRepeats: () => {}, beginLane: () => {} },
      counters: this.counters,
      onError: (error) => this.errors.push(error),
    });
  }

  private pipeline() {
    const { exchanges, said } = this;
    return {
      onTunnelBytes: (_: Exchange, bytes: Uint8Array) => void said.push(`up ${Buffer.from(bytes)}`),
      onTunnelEnd: () => void said.push('up end'),
      get inFlight() {
        return exchanges.size;
      },
      find: (index: number, generation: number) => {
        const found = exchanges.get(index);
        return found?.generation === generation ? found : undefined;
      },
      onRequest: (record: RequestRecord) => {
        const exchange = makeExchange(record);
        exchanges.set(record.index, exchange);
        said.push(`request ${record.index} ${record.parts[1]}${record.isComplete ? '' : ' …'}`);
        this.onRequest(exchange);
        return exchange;
      },
      onRequestBody: (exchange: Exchange, bytes: Uint8Array, isLast: boolean) =>
        void said.push(`body ${exchange.index} ${Buffer.from(bytes)}${isLast ? '' : ' …'}`),
      onRequestTrailers: (exchange: Exchange, fields: FieldBlock) =>
        void said.push(`trailers of ${exchange.index}: ${fields.trim()}`),
      onRequestAbort: (exchange: Exchange, flags: number) => {
        exchanges.delete(exchange.index);
        said.push(`abort ${exchange.index} ${flags}`);
      },
    };
  }

  /** A request comes in; `isComplete`: without a body. */
  request(index: number, isComplete = true): void {
    tryWriteRequestHead(this.acceptor.producer, index, 1, {
      receivedMs: 0,
      bodyBytes: isComplete ? 0 : -1,
      protocol: PROTOCOL_HTTP_1_1,
      listener: 0,
      expectsContinue: false,
      wantsTunnel: false,
      text: 'GET\n/a\n::1\nhttp',
    });
  }

  /** What came in is visible, and the worker is rung if it sleeps. True: it slept. */
  publish(): boolean {
    const wasAsleep = this.acceptor.publish();
    if (wasAsleep) this.turn.run();
    return wasAsleep;
  }
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  rig.turn.run();
  rig.clock.settle();
  rig.said.length = 0;
});

describe('the turn of a worker', () => {
  it('reads all that has come in, in order, and nothing for an exchange that is over', () => {
    const ring = rig.acceptor.producer;
    rig.request(0, false);
    writeBody(ring, REQUEST_BODY, 0, 1, Buffer.from('one'));
    writeBody(ring, kindWithFlags(REQUEST_BODY, FLAG_END), 0, 1, Buffer.from('two'));
    writeWindow(ring, 0, 1, 77);
    rig.request(1, false);
    writeBare(ring, REQUEST_END, 1, 1);
    writeBare(ring, kindWithFlags(REQUEST_ABORT, FLAG_CUT), 0, 1);
    writeBody(ring, REQUEST_BODY, 0, 1, Buffer.from('late'));
    writeBody(ring, REQUEST_BODY, 1, 2, Buffer.from('of the next one'));
    rig.publish();
    expect(rig.said.filter((one) => one !== 'room')).toEqual([
      'request 0 /a …',
      'body 0 one …',
      'body 0 two',
      'window 77',
      'request 1 /a …',
      'body 1 ',
      `abort 0 ${FLAG_CUT}`,
    ]);
    expect(rig.worker.status.headsRead).toBe(2);
    expect(rig.counters.read(COUNTERS.laneRecords)).toBe(9);
    expect(rig.errors).toEqual([]);
  });

  it('tells of the trailers that end a body', () => {
    const ring = rig.acceptor.producer;
    rig.request(0, false);
    const id = { index: 0, generation: 1 };
    writeTrailers(ring, REQUEST_TRAILERS, id, field('X-Check', '1'));
    rig.publish();
    expect(rig.said).toContain('trailers of 0: X-Check: 1');
  });

  it('publishes what it has written at its end, and wakes the acceptor once', () => {
    rig.acceptor.consumer.park();
    rig.onRequest = ({ index, generation }) => {
      writeBare(rig.worker.producer, RESPONSE_END, index, generation);
      rig.turn.schedule();
      expect(rig.acceptor.drain({ onRecord: () => {} })).toBe(0);
      rig.acceptor.consumer.park();
    };
    for (let index = 0; index < 5; index += 1) rig.request(index);
    rig.publish();
    expect(rig.wakes).toBe(1);
    expect(rig.acceptor.drain({ onRecord: () => {} })).toBe(5);
    expect(rig.counters.read(COUNTERS.laneWakes)).toBe(1);
  });

  it('asks the coordinator in the middle of a burst, and not for each request', () => {
    const before = rig.coordinator.flushes;
    for (let index = 0; index < 64; index += 1) rig.request(index);
    rig.publish();
    expect(rig.coordinator.flushes - before).toBe(3);
  });

  it('is one after what was written outside of it, however much that was', () => {
    rig.turn.schedule();
    rig.turn.schedule();
    const before = rig.coordinator.flushes;
    rig.clock.endTurn();
    expect(rig.coordinator.flushes - before).toBe(1);
    expect(rig.clock.hasTurn).toBe(false);
  });

  it('parks with nothing to do, and looks once more while several exchanges are in flight', () => {
    expect(rig.clock.hasTurn).toBe(false);
    for (const index of [0, 1]) rig.request(index);
    expect(rig.publish()).toBe(true);
    let turns = 0;
    for (; rig.clock.hasTurn; turns += 1) rig.clock.endTurn();
    expect(turns).toBe(2);
    // Asleep: whoever publishes next has to wake it.
    rig.request(2);
    expect(rig.publish()).toBe(true);
  });

  describe('when an exchange has finished', () => {
    const finish = (index: number): void => {
      writeBare(rig.worker.producer, RESPONSE_END, index, 1);
      rig.turn.schedule();
      rig.exchanges.delete(index);
      rig.turn.onFinished();
    };
    const received = (): number => rig.acceptor.drain({ onRecord: () => {} });

    beforeEach(() => {
      rig.acceptor.consumer.park();
      rig.request(0);
      rig.publish();
    });

    it('wakes the acceptor inside the call if it was the only one, and runs for it no more', () => {
      const before = rig.coordinator.flushes;
      finish(0);
      expect(rig.wakes).toBe(1);
      expect(received()).toBe(1);
      expect(rig.counters.read(COUNTERS.laneWakes)).toBe(1);
      expect(rig.coordinator.flushes - before).toBe(1);
      rig.clock.settle();
      expect(rig.coordinator.flushes - before).toBe(1);
      // It sleeps still: whoever publishes next has to wake it.
      rig.request(1);
      expect(rig.publish()).toBe(true);
    });

    it('has its turn for what is written after that', () => {
      finish(0);
      expect(received()).toBe(1);
      writeBare(rig.worker.producer, RESPONSE_END, 7, 1);
      rig.turn.schedule();
      rig.clock.endTurn();
      expect(received()).toBe(1);
    });

    it('waits for the end of the turn while another is in flight', () => {
      rig.request(1);
      rig.publish();
      rig.clock.settle();
      finish(0);
      expect(received()).toBe(0);
      rig.clock.endTurn();
      expect(received()).toBe(1);
    });

    it('waits for the end of the turn in which its request is read', () => {
      rig.onRequest = ({ index }) => {
        finish(index);
        expect(rig.wakes).toBe(0);
      };
      rig.exchanges.clear();
      rig.request(1);
      rig.publish();
      expect(rig.wakes).toBe(1);
      expect(received()).toBe(1);
    });

    it('has another turn if the coordinator has no room for what it is told', () => {
      rig.coordinator.isBehind = true;
      finish(0);
      expect(received()).toBe(1);
      rig.coordinator.isBehind = false;
      const before = rig.coordinator.flushes;
      rig.clock.settle();
      expect(rig.coordinator.flushes - before).toBe(1);
    });
  });

  it('does not park while the coordinator has no room for what it is told', () => {
    rig.coordinator.isBehind = true;
    rig.turn.run();
    for (let turns = 0; turns < 10; turns += 1) {
      expect(rig.clock.hasTurn).toBe(true);
      rig.clock.endTurn();
    }
    rig.coordinator.isBehind = false;
    rig.clock.settle();
    rig.request(0);
    expect(rig.publish()).toBe(true);
  });

  it('lets targets go on only while no reply waits outside of the lane', () => {
    rig.writer.isBehind = true;
    rig.turn.run();
    expect(rig.said).toEqual([]);
    rig.writer.isBehind = false;
    rig.turn.run();
    expect(rig.said).toEqual(['room']);
  });

  it('goes on with the next record when one cannot be handled', () => {
    const mine = new Error('mine');
    rig.onRequest = ({ index }) => {
      if (index === 0) throw mine;
    };
    rig.request(0);
    rig.request(1);
    rig.publish();
    rig.clock.settle();
    expect(rig.errors).toEqual([mine]);
    expect(rig.said).toContain('request 1 /a');
  });

  it('complains of a record of no known kind', () => {
    rig.request(0);
    writeBare(rig.acceptor.producer, RESPONSE_END, 0, 1);
    rig.publish();
    expect(rig.errors).toHaveLength(1);
  });

  it('counts what the coordinator was not told, each once', () => {
    rig.coordinator.droppedTells = 3;
    rig.turn.run();
    rig.turn.run();
    expect(rig.counters.read(COUNTERS.droppedTells)).toBe(3);
  });
});

describe('the time of a worker', () => {
  const entry = (after: () => void) => new DeadlineEntry(() => after());

  it('is told only while somebody waits for it', () => {
    expect(rig.clock.timerCount).toBe(0);
    const one = entry(() => rig.said.push('due'));
    rig.wheel.set(one, rig.clock.nowMs() + 120);
    expect(rig.clock.timerCount).toBe(1);
    rig.clock.advance(100);
    expect(rig.said).not.toContain('due');
    rig.clock.advance(2 * DEADLINE_TICK_MS);
    expect(rig.said).toContain('due');
    rig.clock.advance(DEADLINE_TICK_MS);
    expect(rig.clock.timerCount).toBe(0);
  });

  it('hears what was replied before a deadline ends anything', () => {
    rig.wheel.set(
      entry(() => rig.said.push('due')),
      rig.clock.nowMs() + 10,
    );
    rig.coordinator.replies = 1;
    rig.clock.advance(2 * DEADLINE_TICK_MS);
    expect(rig.said).toEqual(['1 replies', 'due']);
  });

  it('catches up slowly when the thread was held up: nobody is late by what it missed', () => {
    rig.wheel.set(
      entry(() => rig.said.push('due')),
      rig.clock.nowMs() + 1000,
    );
    // Nothing ran for five seconds.
    rig.clock.time.ms += 5000;
    rig.clock.fireNext();
    expect(rig.said).toEqual([]);
    rig.clock.advance(20 * DEADLINE_TICK_MS);
    expect(rig.said).toEqual(['due']);
  });

  it('goes on for epochs that wait to be let go, and for grants that may have to go back', () => {
    rig.turn.startTicking();
    rig.epochs.hasEarlier = true;
    rig.clock.advance(DEADLINE_TICK_MS);
    expect(rig.said).toEqual([`release at ${rig.clock.nowMs()}`]);
    rig.epochs.hasEarlier = false;
    rig.coordinator.holdsGrants = true;
    rig.clock.advance(10 * DEADLINE_TICK_MS);
    expect(rig.clock.timerCount).toBe(1);
    rig.coordinator.holdsGrants = false;
    rig.clock.advance(DEADLINE_TICK_MS);
    expect(rig.clock.timerCount).toBe(0);
  });

  it('begins with a turn that leaves grants', () => {
    rig.coordinator.holdsGrants = true;
    rig.turn.run();
    expect(rig.clock.timerCount).toBe(1);
  });
});

describe('a worker that stops', () => {
  it('reads what has come in for the last time, and is silent after that', () => {
    rig.wheel.set(new DeadlineEntry(() => rig.said.push('due')), rig.clock.nowMs() + 10);
    rig.request(0);
    rig.acceptor.publish();
    rig.turn.stop();
    expect(rig.said).toEqual(['request 0 /a']);
    expect(rig.clock.timerCount).toBe(0);
    rig.request(1);
    rig.acceptor.publish();
    rig.turn.run();
    rig.turn.schedule();
    rig.turn.startTicking();
    rig.clock.settle();
    expect(rig.said).toEqual(['request 0 /a']);
    expect(rig.clock.timerCount).toBe(0);
  });
});
