import { describe, expect, it } from 'vitest';
import { CoordinatorEnd } from '../../../src/channel/coordinator/coordinator-end.js';
import { ASKS_PENDING_MAX } from '../../../src/channel/coordinator/coordinator-memory.js';
import {
  NO_TARGET,
  NO_UPSTREAM,
  VERDICT_ADMITTED,
  VERDICT_RATE_LIMITED,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { AgentRunner, PARK_MS_MAX } from '../../../src/coordinator/agent-runner.js';
import {
  DEFERRED_ASKS_MAX,
  DEFERRED_MS_MAX,
  NO_WAIT,
  type OutsideLimits,
} from '../../../src/coordinator/deferred-asks.js';
import {
  type AskWish,
  aCoordinatorConfig,
  anAsk,
  type CoordinatorConfigWish,
  CoordinatorRig,
  type Reply,
  ReplyKeeper,
} from '../../support/coordinator-rig.js';

/** A limiter that must hear of a key before it decides: the first half of a key is its number. */
class DeferringLimits implements OutsideLimits {
  readonly heard = new Set<number>();

  awaits(limiterIndex: number, keyHashHigh: number): number {
    const number = limiterIndex * 1000 + keyHashHigh;
    return this.heard.has(number) ? NO_WAIT : number;
  }
}

const FIRST_KEY = { limiterIndex: 0, keyHashHigh: 5 };
const NUMBER_OF_FIRST_KEY = 5;

function aRig(limiters: CoordinatorConfigWish['limiters'] = [{ limit: 1 }]) {
  const outside = new DeferringLimits();
  const rig = new CoordinatorRig(aCoordinatorConfig({ workers: 2, limiters }), outside);
  rig.step(0);
  return {
    rig,
    outside,
    send(askId: number, wish: AskWish = FIRST_KEY, lane = 0): void {
      const worker = rig.worker(lane);
      if (!worker.ask(anAsk({ askId, ...wish }))) throw new Error('no room to ask');
      worker.flush();
    },
    hear(number = NUMBER_OF_FIRST_KEY): void {
      outside.heard.add(number);
      rig.coordinator.onHeard(number);
    },
    replies(nowMs: number, lane = 0): readonly Reply[] {
      rig.step(nowMs);
      const keeper = new ReplyKeeper();
      rig.worker(lane).drainReplies(keeper);
      return keeper.replies;
    },
    admitted: () => rig.status.readCounts().admitted,
  };
}

describe('a verdict that waits for something outside', () => {
  it('comes when that was heard, and not before', () => {
    const { rig, send, hear, replies } = aRig();
    send(1);
    expect(replies(1)).toEqual([]);
    expect(replies(40)).toEqual([]);
    expect(rig.worker(0).pendingAsks).toBe(1);
    hear();
    expect(replies(41)).toMatchObject([{ askId: 1, verdict: VERDICT_ADMITTED, remaining: 0 }]);
    expect(rig.worker(0).pendingAsks).toBe(0);
    expect(replies(200)).toEqual([]);
  });

  it('uses up nothing while it waits', () => {
    const { send, hear, replies, admitted } = aRig();
    send(1);
    expect(replies(1)).toEqual([]);
    expect(admitted()).toBe(0);
    send(2, { limiterIndex: 0, keyHashHigh: 6 });
    hear(6);
    expect(replies(2)).toMatchObject([{ askId: 2, verdict: VERDICT_ADMITTED }]);
    hear();
    expect(replies(3)).toMatchObject([{ askId: 1, verdict: VERDICT_ADMITTED }]);
  });

  it('is exact across workers: of those that waited for one key the limit admits one', () => {
    const { rig, send, hear, replies } = aRig();
    for (const askId of [1, 2, 3]) for (const lane of [0, 1]) send(askId, FIRST_KEY, lane);
    expect(replies(1)).toEqual([]);
    hear();
    rig.step(2);
    const verdicts = [0, 1].flatMap((lane) => replies(3, lane)).map(({ verdict }) => verdict);
    expect(verdicts).toHaveLength(6);
    expect(verdicts.filter((verdict) => verdict === VERDICT_ADMITTED)).toHaveLength(1);
    expect(verdicts.filter((verdict) => verdict === VERDICT_RATE_LIMITED)).toHaveLength(5);
  });

  it('is given at its deadline by what the coordinator knows itself', () => {
    const { rig, send, replies } = aRig();
    send(1);
    send(2);
    expect(replies(1)).toEqual([]);
    expect(replies(1 + DEFERRED_MS_MAX - 0.5)).toEqual([]);
    const late = replies(1 + DEFERRED_MS_MAX);
    expect(late).toMatchObject([
      { askId: 1, verdict: VERDICT_ADMITTED },
      { askId: 2, verdict: VERDICT_RATE_LIMITED },
    ]);
    expect(rig.status.readCounts()).toMatchObject({ deferredAsks: 2, undeferredAsks: 2 });
  });

  it('may wait once more, for another limit, up to the deadline of the first wait', () => {
    const { send, hear, replies } = aRig([{ limit: 9 }, { limit: 9 }]);
    const limits = [
      [0, 5, 1],
      [1, 7, 1],
    ] as const;
    send(1, { limits });
    expect(replies(0)).toEqual([]);
    hear(5);
    expect(replies(30)).toEqual([]);
    expect(replies(DEFERRED_MS_MAX)).toMatchObject([{ askId: 1, verdict: VERDICT_ADMITTED }]);
    send(2, { limits });
    expect(replies(60)).toEqual([]);
    hear(1007);
    expect(replies(61)).toMatchObject([{ askId: 2, verdict: VERDICT_ADMITTED }]);
  });

  it('holds nobody up who waits for nothing', () => {
    const { rig, send } = aRig();
    send(1);
    expect(rig.ask(1, { askId: 2 })).toMatchObject({ askId: 2, verdict: VERDICT_ADMITTED });
  });

  it('can be about limits only', () => {
    const { send, hear, replies } = aRig();
    send(1, { ...FIRST_KEY, upstreamIndex: NO_UPSTREAM });
    expect(replies(1)).toEqual([]);
    hear();
    expect(replies(2)).toMatchObject([{ verdict: VERDICT_ADMITTED, targetIndex: NO_TARGET }]);
  });
});

describe('asks that wait have a bound', () => {
  it('one more than may wait is decided upon at once', () => {
    const outside = new DeferringLimits();
    const workers = DEFERRED_ASKS_MAX / ASKS_PENDING_MAX + 1;
    const config = aCoordinatorConfig({ workers, limiters: [{ limit: 10_000 }] });
    const rig = new CoordinatorRig(config, outside);
    for (let lane = 0; lane < workers - 1; lane += 1) {
      for (let askId = 1; askId <= ASKS_PENDING_MAX; askId += 1) {
        rig.worker(lane).ask(anAsk({ askId, ...FIRST_KEY }));
      }
      rig.worker(lane).flush();
    }
    while (rig.step(0) > 0);
    expect(rig.status.readCounts()).toMatchObject({ deferredAsks: 4096, undeferredAsks: 0 });
    const over = rig.ask(0, { askId: 1, ...FIRST_KEY }, workers - 1);
    expect(over.verdict).toBe(VERDICT_ADMITTED);
    expect(rig.status.readCounts()).toMatchObject({ deferredAsks: 4096, undeferredAsks: 1 });
    rig.coordinator.onHeard(NUMBER_OF_FIRST_KEY);
    outside.heard.add(NUMBER_OF_FIRST_KEY);
    rig.step(1);
    expect(rig.status.readCounts().admitted).toBe(4097);
  });
});

describe('an ask that nobody waits for any more', () => {
  it('is forgotten when its worker gives up: it counts against no limit', () => {
    const { rig, send, hear, replies, admitted } = aRig();
    send(1);
    expect(replies(1)).toEqual([]);
    rig.step(2);
    rig.worker(0).abandonAsk({ askId: 1, upstreamIndex: 0 });
    rig.worker(0).flush();
    rig.step(3);
    hear();
    expect(replies(4)).toEqual([]);
    expect(replies(200)).toEqual([]);
    expect(admitted()).toBe(0);
    send(2);
    expect(replies(201)).toMatchObject([{ askId: 2, verdict: VERDICT_ADMITTED }]);
  });

  it('may be abandoned in the same turn in which it was heard of', () => {
    const { rig, send, hear, replies, admitted } = aRig();
    send(1);
    expect(replies(1)).toEqual([]);
    rig.step(2);
    rig.worker(0).abandonAsk({ askId: 1, upstreamIndex: 0 });
    rig.worker(0).flush();
    hear();
    const late = replies(3);
    // The verdict was given before the coordinator read of the end: the worker gives it back.
    expect(late).toMatchObject([{ askId: 1 }]);
    rig.step(4);
    expect(admitted()).toBe(1);
  });

  it('is forgotten when its worker dies, and the next worker may use its id', () => {
    const { rig, send, hear, replies } = aRig();
    send(1);
    expect(replies(1)).toEqual([]);
    rig.step(2);
    expect(rig.status.deferredOf(0)).toBe(1);
    expect(rig.control.replaceWorker(0)).toBe(2);
    rig.step(2);
    expect(rig.coordinator.nextDueMs).toBe(Number.POSITIVE_INFINITY);
    rig.step(2);
    expect(rig.status.deferredOf(0)).toBe(0);
    rig.workers[0] = rig.newWorker(0);
    send(1);
    expect(replies(2)).toEqual([]);
    hear();
    expect(replies(3)).toMatchObject([{ askId: 1, verdict: VERDICT_ADMITTED }]);
    expect(replies(200)).toEqual([]);
  });

  it('is not answered when its worker reads no replies, and uses up nothing', () => {
    const { rig, send, hear, admitted } = aRig();
    send(1);
    rig.step(1);
    const worker = rig.worker(0);
    for (let round = 0; round < 2 * ASKS_PENDING_MAX; round += 1) {
      worker.ask(anAsk({ askId: 5 }));
      worker.abandonAsk({ askId: 5, upstreamIndex: 0 });
      worker.flush();
      rig.step(1);
    }
    const before = admitted();
    hear();
    rig.step(2);
    expect(admitted()).toBe(before);
    expect(rig.status.readCounts().unansweredAsks).toBe(1);
  });
});

describe('a coordinator that ends while asks wait', () => {
  it('leaves them without a verdict, and nothing that was taken for them', () => {
    const { rig, send, replies } = aRig([{ algorithm: 'inFlight', limit: 1 }]);
    send(1);
    expect(replies(1)).toEqual([]);
    rig.step(2);
    rig.restartCoordinator();
    expect(replies(200)).toEqual([]);
    rig.worker(0).abandonAsk({ askId: 1, upstreamIndex: 0 });
    send(2);
    rig.step(201);
    expect(replies(201 + DEFERRED_MS_MAX)).toMatchObject([{ verdict: VERDICT_ADMITTED }]);
  });

  it('gives back a place of which no reply went out, when the worker has given up', () => {
    const { rig, send, hear, replies } = aRig([{ algorithm: 'inFlight', limit: 1 }]);
    send(1);
    expect(replies(1)).toEqual([]);
    rig.step(2);
    hear();
    // It decides, and ends before the reply is published.
    rig.coordinator.onTick(3);
    rig.restartCoordinator();
    rig.step(4);
    rig.worker(0).abandonAsk({ askId: 1, upstreamIndex: 0 });
    send(2);
    expect(replies(5)).toMatchObject([{ askId: 2, verdict: VERDICT_ADMITTED }]);
  });
});

describe('the duty cycle', () => {
  it('sleeps until the first deadline at most', () => {
    const { rig, send, hear } = aRig();
    const parks: number[] = [];
    let nowMs = 0;
    class Watched extends CoordinatorEnd {
      override park(timeoutMs: number): void {
        parks.push(timeoutMs);
        nowMs += timeoutMs;
        if (parks.length === 2) runner.stop();
      }
    }
    const runner = new AgentRunner(new Watched(rig.memory), rig.coordinator, () => nowMs);
    expect(rig.coordinator.nextDueMs).toBe(Number.POSITIVE_INFINITY);
    send(1);
    runner.run();
    expect(parks).toEqual([DEFERRED_MS_MAX, PARK_MS_MAX]);
    send(2);
    rig.step(nowMs);
    hear();
    expect(rig.coordinator.nextDueMs).toBe(Number.NEGATIVE_INFINITY);
  });
});
