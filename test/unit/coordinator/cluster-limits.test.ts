import { expect, it } from 'vitest';
import {
  ASK_KEY_GRANT_SHIFT,
  VERDICT_ADMITTED,
  VERDICT_RATE_LIMITED,
} from '../../../src/channel/coordinator/coordinator-records.js';
import { addCost, createTellCosts } from '../../../src/channel/coordinator/tell-costs.js';
import {
  allocateStoreMemory,
  StoreAnswerer,
  StoreAsker,
} from '../../../src/channel/store/store-channel.js';
import {
  TAKE_PLACES,
  TAKE_RECALL,
  TAKEN_DECIDED,
  TAKEN_FAILED,
  TAKEN_LATE,
  TAKEN_RECOVERING,
  type TakeFields,
  type TakenFields,
  type TakenOutcome,
} from '../../../src/channel/store/store-records.js';
import { STORE_LOST, STORE_UP } from '../../../src/channel/store/store-status.js';
import { Lease, makeLimit } from '../../../src/coordinator/cluster-lease.js';
import { ClusterLimits } from '../../../src/coordinator/cluster-limits.js';
import { aClusterLimiter } from '../../support/cluster-node.js';
import {
  aCoordinatorConfig,
  aLimiter,
  CoordinatorRig,
  ReplyKeeper,
} from '../../support/coordinator-rig.js';
import { servedOf } from '../../support/served-config.js';

/** Nothing is used, and nobody waits. */
const AT_ONCE = { waitUs: 0, resetUs: 0, used: 0, atUs: 0 };

/** Both ends of a channel to a store that the test plays. */
function aStore() {
  const memory = allocateStoreMemory(new SharedArrayBuffer(4096));
  const store = new StoreAsker(memory);
  const answerer = new StoreAnswerer(memory);
  store.setWakePort({ postMessage: () => {} });
  return { store, answerer };
}

it('tells what was admitted without the store, whatever became of the last ask', () => {
  const { store, answerer } = aStore();
  let nowMs = 1000;
  const limits = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => nowMs });
  const limiters = [aClusterLimiter({ limit: 5, windowMs: 60_000, onStoreLost: 'open' }, 0)];
  limits.adopt(servedOf(aCoordinatorConfig({ limiters })).limiters);
  answerer.status.setState(STORE_UP);
  limits.onTick(nowMs);
  limits.awaits(0, 1, 1, nowMs);
  // The store's thread ends with this ask, and another one has the admission after that.
  expect(answerer.nextTake()).toMatchObject({ needed: 1, declared: 0 });
  answerer.status.setState(STORE_LOST);
  limits.noteUntold(limits.leaseFor(0, 1, 1), nowMs);
  nowMs += 500;
  answerer.status.setState(STORE_UP);
  limits.onTick(nowMs);
  expect(answerer.nextTake()).toMatchObject({ needed: 0, declared: 1 });
});

it('grants nothing in advance of its part: the store is told of each admission', () => {
  const { store } = aStore();
  const cluster = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => 0 });
  const amounts = { limit: 1000, windowMs: 60_000 };
  const limiters = [aClusterLimiter(amounts, 0), { ...amounts }];
  const rig = new CoordinatorRig(aCoordinatorConfig({ limiters }), cluster);
  const flags = 8 << ASK_KEY_GRANT_SHIFT;
  const granted = [0, 1].map((limiterIndex) => rig.ask(1000, { limiterIndex, flags }));
  expect(granted.map(({ verdict }) => verdict)).toEqual([VERDICT_ADMITTED, VERDICT_ADMITTED]);
  expect(granted.map(({ keyGrantCount }) => keyGrantCount)).toEqual([0, 8]);
});

it('holds reserves of its part, beside what flows in, while the store is away', () => {
  const told = { kind: 'field', name: 'x-cost' } as const;
  const amounts = { limit: 100, burst: 100, cost: 40, windowMs: 1000 };
  const limiters = [aClusterLimiter({ ...amounts, algorithm: 'tokenBucket', told }, 0)];
  const store = new StoreAsker(allocateStoreMemory(new SharedArrayBuffer(4096)));
  const cluster = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => 0 });
  const rig = new CoordinatorRig(aCoordinatorConfig({ limiters, targetCounts: [1] }), cluster);
  const [first, second] = [rig.ask(0, { limiterIndex: 0 }), rig.ask(0, { limiterIndex: 0 })];
  expect([first.verdict, second.verdict]).toEqual([VERDICT_ADMITTED, VERDICT_ADMITTED]);
  // As much as the bucket holds has come, and has no room beside them.
  expect(rig.ask(2000, { limiterIndex: 0 }).verdict).toBe(VERDICT_RATE_LIMITED);
  rig.worker(0).tellInFlightEnd(first.inFlightTicket);
  rig.worker(0).flush();
  rig.step(2000);
  expect(rig.ask(2000, { limiterIndex: 0 }).verdict).toBe(VERDICT_ADMITTED);
});

it('tells a store that has lost its state what it last said, and what is in flight', () => {
  const { store, answerer } = aStore();
  const told = { kind: 'field', name: 'x-cost' } as const;
  const onStoreLost = 'closed';
  const amounts = { limit: 1000, burst: 1000, cost: 40, windowMs: 10_000, onStoreLost } as const;
  const limiters = [aClusterLimiter({ ...amounts, algorithm: 'tokenBucket', told }, 0)];
  const cluster = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => 0 });
  const rig = new CoordinatorRig(aCoordinatorConfig({ limiters }), cluster);
  const perToken = cluster.leaseFor(0, 1, 2).limit.rule.unitsPerToken;
  answerer.status.setState(STORE_UP);
  const answer = (nowMs: number, wish: Partial<TakenFields>): TakeFields => {
    const take = answerer.nextTake();
    if (take === null) throw new Error('nothing was asked');
    const { generation, serial } = take;
    const given = { units: 1, left: 9, ...AT_ONCE, validUs: 50_000, outcome: TAKEN_DECIDED };
    answerer.answer({ generation, serial, stamp: 9, epoch: 5, ...given, ...wish } as TakenFields);
    answerer.flush();
    rig.step(nowMs);
    return take;
  };
  rig.askMany(1000, [{ limiterIndex: 0, upstreamIndex: -1 }]);
  answer(1000, { used: 500 * perToken, atUs: 77 });
  const keeper = new ReplyKeeper();
  rig.worker(0).drainReplies(keeper);
  const ticket = keeper.replies[0]?.inFlightTicket ?? 0;
  rig.askMany(1000, [{ limiterIndex: 0, upstreamIndex: -1 }]);
  // A tenth of a token flows in each millisecond. The first answer of the new state tells nothing.
  answerer.status.onEpoch();
  answer(2000, { units: 0, epoch: 6, waitUs: 1e6, atUs: 99 });
  const outcome = TAKEN_RECOVERING;
  const recall = answer(2000, { outcome: TAKEN_FAILED, units: 0 });
  expect(recall).toMatchObject({ algorithm: TAKE_RECALL, needed: 1, stamp: 77, returned: 0 });
  expect(recall.epoch).toBe(400 * perToken);
  rig.step(2001);
  const costs = createTellCosts();
  addCost(costs, 0, 30);
  rig.worker(0).tellInFlightEnd(ticket, costs);
  rig.worker(0).flush();
  rig.step(2002);
  expect(answer(2002, { outcome, stamp: 11, epoch: 6 }).needed).toBe(1);
  // It ended while that was on its way, and is settled in the new state.
  const settled = answerer.nextTake();
  expect(settled).toMatchObject({ returned: 1, cost: 30, stamp: 11, epoch: 6 });
  rig.step(2003);
  expect(answerer.nextTake()).toBeNull();
});

it('leaves a gateway without the store its part of a limit that it uses by a quarter', () => {
  const told = { kind: 'field', name: 'x-cost' } as const;
  const amounts = { limit: 1000, burst: 1000, cost: 10, windowMs: 1000 };
  const wish = aClusterLimiter({ ...amounts, algorithm: 'tokenBucket', told }, 0);
  const limit = makeLimit(aLimiter(wish, 0), 50);
  if (limit === null) throw new Error('a limit over all gateways');
  for (let endMs = 10_000; endMs < 15_000; endMs += 300) {
    const lease = new Lease(1, limit, 1, 1);
    for (let atMs = 0; atMs < endMs; atMs += 40) lease.used.add(10, atMs);
    lease.left = 100;
    lease.answeredMs = endMs;
    lease.beginAlone(endMs, 1);
    // What it used in one to two seconds is counted, as of other limits.
    expect(lease.allowance).toBeGreaterThanOrEqual(45);
    expect(lease.allowance).toBeLessThanOrEqual(75);
  }
});

it.each([
  [900, 3],
  [40, 11],
])('asks at once for all who wait, for a quarter of the %i that are left at most', (left, most) => {
  const { store, answerer } = aStore();
  const told = { kind: 'field', name: 'x-cost' } as const;
  const amounts = { limit: 100_000, burst: 100_000, cost: 100, onStoreLost: 'closed' } as const;
  const limiters = [aClusterLimiter({ ...amounts, algorithm: 'tokenBucket', told }, 0)];
  const cluster = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => 0 });
  const rig = new CoordinatorRig(aCoordinatorConfig({ limiters }), cluster);
  answerer.status.setState(STORE_UP);
  rig.askMany(
    1000,
    Array.from({ length: 100 }, () => ({ limiterIndex: 0, upstreamIndex: -1 })),
  );
  const keeper = new ReplyKeeper();
  const asked: number[] = [];
  for (let take = answerer.nextTake(); take !== null; take = answerer.nextTake()) {
    const { generation, serial, needed, validUs } = take;
    asked.push(needed);
    const given = { units: needed, left, stamp: 9, ...AT_ONCE, validUs, epoch: 5 };
    answerer.answer({ generation, serial, outcome: TAKEN_DECIDED, ...given });
    answerer.flush();
    rig.step(1000 + asked.length);
    rig.worker(0).drainReplies(keeper);
  }
  // The first one goes before anybody else has come. Nobody is asked for twice.
  expect(asked.reduce((sum, needed) => sum + needed, 0)).toBe(100);
  expect(asked.length).toBeLessThanOrEqual(most);
  expect(Math.max(...asked)).toBeLessThanOrEqual(left / 4);
  const admitted = keeper.replies.filter(({ inFlightTicket }) => inFlightTicket !== 0);
  expect(admitted).toHaveLength(100);
});

it.each(['fixedWindow', 'inFlight'] as const)(
  'does not ask the store where a limit of this gateway refuses by %s',
  (algorithm) => {
    const memory = allocateStoreMemory(new SharedArrayBuffer(4096));
    const store = new StoreAsker(memory);
    const answerer = new StoreAnswerer(memory);
    store.setWakePort({ postMessage: () => {} });
    const limiters = [aClusterLimiter({ limit: 5, windowMs: 60_000 }, 0), { limit: 1, algorithm }];
    const cluster = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => 0 });
    const rig = new CoordinatorRig(aCoordinatorConfig({ limiters }), cluster);
    answerer.status.setState(STORE_UP);
    const own = [1, 1, 1] as const;
    const first = rig.ask(1000, { limits: [own], upstreamIndex: -1 });
    const second = rig.ask(1000, { limits: [[0, 1, 1], own], upstreamIndex: -1 });
    expect(first.verdict).toBe(VERDICT_ADMITTED);
    expect(second).toMatchObject({ verdict: VERDICT_RATE_LIMITED, limiterIndex: 1 });
    expect(answerer.nextTake()).toBeNull();
  },
);

it('has a request wait for the store by a limit on requests in flight, where that is wished', () => {
  const { store, answerer } = aStore();
  const limits = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => 0 });
  const limiters = (['wait', 'closed'] as const).map((onStoreLost, at) =>
    aClusterLimiter({ limit: 5, algorithm: 'inFlight', onStoreLost }, at),
  );
  limits.adopt(servedOf(aCoordinatorConfig({ limiters })).limiters);
  const heard: number[] = [];
  limits.listen((awaited) => void heard.push(awaited));
  answerer.status.setState(STORE_LOST);
  limits.onTick(1000);
  const awaited = limits.awaits(0, 1, 1, 1000);
  expect([awaited > 0, limits.awaits(1, 1, 1, 1000)]).toEqual([true, 0]);
  answerer.status.setState(STORE_UP);
  limits.onTick(1010);
  expect(heard).toEqual([awaited]);
  // Now it waits for the places that it has asked for.
  expect(limits.awaits(0, 1, 1, 1010)).not.toBe(awaited);
  expect(answerer.nextTake()).toMatchObject({ algorithm: TAKE_PLACES, wanted: 1 });
});

it('gives back what a late answer gives, once, and as soon as the store can be reached', () => {
  const { store, answerer } = aStore();
  const told = { kind: 'field', name: 'x-cost' } as const;
  const amounts = { limit: 100, burst: 100, cost: 40, onStoreLost: 'closed' } as const;
  const limiters = [aClusterLimiter({ ...amounts, algorithm: 'tokenBucket', told }, 0)];
  const limits = new ClusterLimits({ store, timeoutMs: 50, nodesMin: 1, unixMs: () => 0 });
  limits.adopt(servedOf(aCoordinatorConfig({ limiters })).limiters);
  answerer.status.setState(STORE_UP);
  limits.onTick(1000);
  limits.awaits(0, 1, 1, 1000);
  const take = answerer.nextTake();
  if (take === null) throw new Error('nothing was asked');
  const answer = (outcome: TakenOutcome, units: number): void => {
    const given = { units, left: 1, stamp: 9, ...AT_ONCE, validUs: 50_000, epoch: 5 };
    answerer.answer({ generation: take.generation, serial: take.serial, outcome, ...given });
    answerer.flush();
  };
  answer(TAKEN_LATE, 0);
  limits.onTick(1050);
  expect(limits.leaseOf(0, 1, 1)?.serial).toBe(0);
  answerer.status.setState(STORE_LOST);
  answer(TAKEN_DECIDED, 1);
  answer(TAKEN_DECIDED, 1);
  limits.onTick(1100);
  expect(answerer.nextTake()).toBeNull();
  expect(limits.leaseOf(0, 1, 1)?.canAdmit(1100)).toBe(false);
  answerer.status.setState(STORE_UP);
  limits.onTick(1200);
  expect(answerer.nextTake()).toMatchObject({ returned: 1, cost: 0, stamp: 9, epoch: 5 });
  limits.onTick(1300);
  expect(answerer.nextTake()).toBeNull();
});
