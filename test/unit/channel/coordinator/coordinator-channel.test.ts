import { describe, expect, it } from 'vitest';
import type { CoordinatorHandler } from '../../../../src/channel/coordinator/coordinator-end.js';
import {
  ASKS_PENDING_MAX,
  REQUEST_SLOTS,
} from '../../../../src/channel/coordinator/coordinator-memory.js';
import {
  ASK_TURN_FOR_LATER,
  AskView,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  VERDICT_ADMITTED,
  writeAbandon,
  writeAsk,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import {
  aCoordinatorConfig,
  anAsk,
  CoordinatorRig,
  ReplyKeeper,
} from '../../../support/coordinator-rig.js';

const DOORBELL_WORD = 0;

/** Notes what it is told and admits every ask. */
class HandlerStub implements CoordinatorHandler {
  readonly asks: number[] = [];
  readonly outcomes: number[] = [];
  readonly abandoned: number[] = [];
  readonly lost: number[][] = [];
  readonly probes: number[][] = [];
  failsAtAsk = -1;

  onAsk(...[, ask, reply]: Parameters<CoordinatorHandler['onAsk']>): boolean {
    if (ask.askId === this.failsAtAsk) throw new Error('a mistake');
    this.asks.push(ask.askId);
    reply.verdict = VERDICT_ADMITTED;
    reply.ticket = ask.askId;
    reply.targetIndex = 0;
    return true;
  }
  onAbandon(...[, ask]: Parameters<CoordinatorHandler['onAbandon']>): void {
    this.abandoned.push(ask.askId);
  }
  onTell(...[, tell]: Parameters<CoordinatorHandler['onTell']>): void {
    this.outcomes.push(tell.outcome);
  }
  onReturn(): void {}
  onSeenAgain(): void {}
  onInFlightEnd(): void {}
  onWorkerLost(lane: number, generation: number): void {
    this.lost.push([lane, generation]);
  }
  onProbe(targetIndex: number, result: number): void {
    this.probes.push([targetIndex, result]);
  }
  onTargetsChanged(): void {}
  onMail(): void {}
  onStop(): void {}
}

function aRig() {
  const rig = new CoordinatorRig(aCoordinatorConfig({ workers: 2 }));
  const doorbell = new Int32Array(rig.memory.status);
  return {
    rig,
    worker: rig.worker(0),
    stub: new HandlerStub(),
    keeper: new ReplyKeeper(),
    /** As if the coordinator slept; whether somebody has woken it since. */
    sleep: () => rig.status.armDoorbell(),
    wasWoken: () => doorbell[DOORBELL_WORD] === 0,
  };
}

describe('coordinator channel', () => {
  it('carries an ask there and its reply back, after a flush and not before', () => {
    const { rig, worker, stub, keeper } = aRig();
    expect(worker.ask(anAsk({ askId: 41 }))).toBe(true);
    expect(rig.end.drain(stub, 0)).toBe(0);
    worker.flush();
    expect(rig.end.drain(stub, 0)).toBe(1);
    expect(worker.pendingAsks).toBe(1);
    expect(worker.drainReplies(keeper)).toBe(1);
    expect(keeper.replies).toMatchObject([{ askId: 41, verdict: VERDICT_ADMITTED, ticket: 41 }]);
    expect(worker.pendingAsks).toBe(0);
  });

  it('wakes a sleeping coordinator once for a batch of asks', () => {
    const { worker, sleep, wasWoken } = aRig();
    sleep();
    worker.ask(anAsk());
    expect(wasWoken()).toBe(false);
    worker.flush();
    expect(wasWoken()).toBe(true);
  });

  it('lets the coordinator sleep over plain successes, but not over failures or tickets', () => {
    const { worker, sleep, wasWoken } = aRig();
    sleep();
    worker.tellOutcome(0, 0, OUTCOME_SUCCESS, 0);
    worker.flush();
    expect(wasWoken()).toBe(false);
    worker.tellOutcome(0, 0, OUTCOME_FAILURE, 0);
    worker.flush();
    expect(wasWoken()).toBe(true);
    sleep();
    worker.tellOutcome(0, 5, OUTCOME_SUCCESS, 0);
    worker.flush();
    expect(wasWoken()).toBe(true);
  });

  it('wakes the coordinator for plain successes when the ring is half full', () => {
    const { worker, sleep, wasWoken } = aRig();
    sleep();
    for (let flush = 1; flush < REQUEST_SLOTS / 2; flush += 1) {
      worker.tellOutcome(0, 0, OUTCOME_SUCCESS, 0);
      worker.flush();
    }
    expect(wasWoken()).toBe(false);
    worker.tellOutcome(0, 0, OUTCOME_SUCCESS, 0);
    worker.flush();
    expect(wasWoken()).toBe(true);
  });

  it('says successes in a row once a flush, and keeps the order with failures', () => {
    const { rig, worker, stub } = aRig();
    const told = [OUTCOME_SUCCESS, OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_SUCCESS];
    for (const outcome of told) worker.tellOutcome(0, 0, outcome, 0);
    worker.flush();
    worker.tellOutcome(0, 0, OUTCOME_SUCCESS, 0);
    worker.flush();
    rig.end.drain(stub, 0);
    const heard = [OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_SUCCESS, OUTCOME_SUCCESS];
    expect(stub.outcomes).toEqual(heard);
  });

  it('wakes a worker by its port when it has parked, and only then', () => {
    const { rig, worker, stub, keeper } = aRig();
    let wakes = 0;
    rig.end.setWakePort(0, { postMessage: () => (wakes += 1) });
    expect(wakes).toBe(1);
    for (const _ of [1, 2]) {
      worker.ask(anAsk());
      worker.flush();
      rig.end.drain(stub, 0);
    }
    expect(wakes).toBe(2);
    worker.drainReplies(keeper);
    worker.ask(anAsk());
    worker.flush();
    rig.end.drain(stub, 0);
    expect(wakes).toBe(3);
  });

  it('keeps tells that find no room, in order, and never loses a ticket', () => {
    const { rig, worker, stub } = aRig();
    const count = REQUEST_SLOTS + 10;
    for (let ticket = 1; ticket <= count; ticket += 1) {
      worker.tellOutcome(0, ticket, ticket === count ? OUTCOME_SUCCESS : OUTCOME_FAILURE, 0);
    }
    expect(worker.ask(anAsk())).toBe(false);
    expect(worker.flush()).toBe(true);
    while (rig.end.drain(stub, 0) > 0) worker.flush();
    expect(worker.flush()).toBe(false);
    expect(stub.outcomes).toHaveLength(count);
    expect(stub.outcomes.at(-1)).toBe(OUTCOME_SUCCESS);
  });

  it('takes as many pending asks as fit and no more; an abandoned one makes room', () => {
    const { worker } = aRig();
    for (let count = 1; count < ASKS_PENDING_MAX; count += 1) worker.ask(anAsk());
    expect(worker.ask(anAsk())).toBe(true);
    expect(worker.ask(anAsk())).toBe(false);
    worker.abandonAsk({ askId: 0, upstreamIndex: 0 });
    expect(worker.ask(anAsk())).toBe(true);
  });

  it('answers no ask of a worker that was replaced, and gives its replies to nobody', () => {
    const { rig, worker, stub, keeper } = aRig();
    worker.ask(anAsk({ askId: 1 }));
    worker.flush();
    rig.end.drain(stub, 0);
    worker.ask(anAsk({ askId: 2 }));
    worker.flush();
    expect(rig.control.replaceWorker(0)).toBe(2);
    const next = rig.newWorker(0);
    next.ask(anAsk({ askId: 3 }));
    next.flush();
    rig.end.drain(stub, 0);
    next.drainReplies(keeper);
    expect(stub.lost).toEqual([[0, 1]]);
    expect(stub.asks).toEqual([1, 3]);
    expect(keeper.replies.map((reply) => reply.askId)).toEqual([3]);
    expect(rig.status.readCounts().staleAsks).toBe(1);
  });

  it('passes over a late reply of the generation before that comes after the new worker', () => {
    const { rig, worker, stub, keeper } = aRig();
    worker.ask(anAsk({ askId: 1 }));
    worker.flush();
    const next = rig.newWorker(0);
    Object.assign(next, { generation: 2 });
    rig.end.drain(stub, 0);
    expect(next.drainReplies(keeper)).toBe(0);
    expect(keeper.replies).toEqual([]);
  });

  it('hears what main tells while the coordinator is down, though the ring is full', () => {
    const { rig, stub } = aRig();
    for (let count = 0; count < 300; count += 1) rig.control.replaceWorker(1);
    rig.end.drain(stub, 0);
    rig.control.flush();
    rig.end.drain(stub, 0);
    expect(stub.lost).toHaveLength(300);
    expect(stub.lost.at(-1)).toEqual([1, 300]);
  });

  it('answers what came before an ask that makes it throw, and does not see that one again', () => {
    const { rig, worker, stub, keeper } = aRig();
    stub.failsAtAsk = 2;
    for (const askId of [1, 2, 3]) worker.ask(anAsk({ askId }));
    worker.flush();
    expect(() => rig.end.drain(stub, 0)).toThrow('a mistake');
    rig.restartCoordinator();
    rig.end.drain(stub, 0);
    worker.drainReplies(keeper);
    expect(keeper.replies.map((reply) => reply.askId)).toEqual([1, 3]);
    expect(worker.pendingAsks).toBe(1);
  });

  it('gives back the ticket of a reply that nobody knows', () => {
    const { rig, worker, stub, keeper } = aRig();
    keeper.isKnown = () => false;
    worker.ask(anAsk({ askId: 9 }));
    worker.flush();
    rig.end.drain(stub, 0);
    worker.abandonAsk({ askId: 9, upstreamIndex: 0 });
    worker.drainReplies(keeper);
    expect(rig.end.drain(stub, 0)).toBe(1);
    expect(stub.outcomes).toEqual([3]);
  });

  it('tells that an ask is abandoned only where some are answered later', () => {
    const { rig, worker, stub } = aRig();
    worker.ask(anAsk({ askId: 7 }));
    worker.abandonAsk({ askId: 7, upstreamIndex: 0 });
    rig.status.setDeferred(0, 1);
    worker.ask(anAsk({ askId: 8 }));
    worker.abandonAsk({ askId: 8, upstreamIndex: 0 });
    worker.flush();
    rig.end.drain(stub, 0);
    expect(stub.asks).toEqual([7, 8]);
    expect(stub.abandoned).toEqual([8]);
  });

  it('uses up nothing for an ask whose reply finds no room', () => {
    const { rig, worker, stub } = aRig();
    const rounds = 2 * ASKS_PENDING_MAX + 1;
    for (let round = 0; round < rounds; round += 1) {
      worker.ask(anAsk());
      worker.abandonAsk({ askId: 0, upstreamIndex: 0 });
      worker.flush();
      rig.end.drain(stub, 0);
    }
    expect(stub.asks).toHaveLength(rounds - 1);
    expect(rig.status.readCounts().unansweredAsks).toBe(1);
  });
});

describe('an ask that is given up', () => {
  it('is about a target, whatever its slot was used for before', () => {
    const words = new Int32Array(32);
    writeAsk(words, 0, 1, anAsk({ askId: 6, flags: ASK_TURN_FOR_LATER }));
    const view = new AskView();
    view.bind(words, 0);
    expect(view.wantsTarget).toBe(false);
    writeAbandon(words, 0, 1, { askId: 7, upstreamIndex: 0 });
    expect(view.wantsTarget).toBe(true);
  });
});
